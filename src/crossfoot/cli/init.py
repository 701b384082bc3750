"""crossfoot init: propose a definition for a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crossfoot.cli.app import STANDARD
from crossfoot.cli.output import next_step, note, say, shell_words
from crossfoot.definition.model import Format
from crossfoot.definition.sample.propose import propose
from crossfoot.errors import CallError
from crossfoot.settings import environment
from crossfoot.sources.remote import Remote, scheme_of
from crossfoot.sources.sample import beginning, is_parquet


def init(
    *,
    sample: Annotated[str, Parameter(name="--from")],
    output: Path = Path("crossfoot.yaml"),
    force: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Look at the beginning of a file and write a definition for it, with the reasons as comments.

    Parameters
    ----------
    sample
        The file (a folder, a pattern): JSON lines, CSV, Parquet, access log; packed or in an archive.
    output
        Where the definition is written; `-` prints it.
    force
        Overwrite a file that is there.
    """
    sample = "-" if sample == STANDARD else sample
    form = Format("parquet") if is_parquet(sample) else None
    data = beginning(sample, Path.cwd(), Remote(environment=environment()))
    if str(output) == STANDARD:
        say(propose(data, sample, form).rstrip("\n"))
        return 0
    if output.exists() and not force:
        raise CallError(f"{output} is there already", "name another file with --output, or overwrite it with --force")
    text = propose(data, _from(output, sample), form)
    output.write_text(text, encoding="utf-8")
    note(f"{output} is written: read it, and change what is not so")
    next_step(shell_words(["crossfoot", "run", str(output)]))
    return 0


def _from(output: Path, sample: str) -> str:
    """The sample's path as the definition, which looks from its own folder, has to name it."""
    absolute = Path(sample).is_absolute() or scheme_of(sample) or sample == "-"
    return sample if absolute else os.path.relpath(sample, output.parent)
