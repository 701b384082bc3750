"""Pipelines as processes, in the environment of Beam, over tables that nothing else uses."""

from __future__ import annotations

import os
import subprocess
import uuid
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from crossfoot.dev.parts import BEAM, PRISM
from crossfoot.query.client import Store
from crossfoot.stores.bigtable_rows import FAMILY
from crossfoot.stores.bigtable_table import HOST, TableName
from tests.meta.source_tree import ROOT
from tests.services.parts import part


def make_table() -> TableName:
    """A table with a family that keeps four versions."""
    from google.cloud.bigtable import Client
    from google.cloud.bigtable.column_family import MaxVersionsGCRule

    name = TableName("test", "instance", f"t-{uuid.uuid4().hex[:8]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        admin = Client(project=name.project, admin=True).instance(name.instance).table(name.table)
        admin.create(column_families={FAMILY: MaxVersionsGCRule(4)})
    return name


def sink_of(name: TableName) -> str:
    """What a definition says of a table."""
    return f"sinks: [{{bigtable: {{project: {name.project}, instance: {name.instance}, table: {name.table}}}}}]\n"


@dataclass
class Beam:
    """Runs commands with Beam's environment; `settings` are variables."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    python: str = ""
    prism: str = ""

    def __post_init__(self) -> None:
        self.python = str(part(BEAM) / "environment" / "bin" / "python")
        self.prism = str(part(PRISM) / "prism")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **self.settings}
        command = [self.python, *arguments]
        return subprocess.Popen(command, cwd=self.home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, what was said, and what was said beside it."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def count(self, definition: Path, *options: str) -> None:
        """`crossfoot beam run`, which has to end well."""
        code, out, err = self.run("-m", "crossfoot", "beam", "run", str(definition), *options)
        assert code == 0, f"{out}\n{err}"


def opened(name: TableName) -> Store:
    return Store.open(str(name))


__all__ = ["HOST", "Beam", "make_table", "opened", "sink_of"]
