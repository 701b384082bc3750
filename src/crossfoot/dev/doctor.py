"""What this machine has of what Crossfoot uses, and how to get the rest. Nothing is changed or fetched."""

from __future__ import annotations

import importlib
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from crossfoot.dev.parts import PARTS, cache_folder, kept
from crossfoot.dev.tools import GO, JAVA, MAVEN, RUST, Tool, Version, dotted, look_for, number

State = Literal["ok", "missing", "too old", "too little", "not reached"]

PYTHON_LEAST: Version = (3, 11)
DISK_LEAST_BYTES = 1 << 30
MEMORY_LEAST_BYTES = 1 << 30
FILES_LEAST = 1024

COUNTING, STACK, BUILDING = "counting", "the local stack", "building"


@dataclass(frozen=True, slots=True)
class Package:
    """An optional package: what it is for, the module that shows that it works, the oldest that will do, our extra."""

    name: str
    module: str
    least: Version
    purpose: str
    extra: str


KAFKA_PACKAGE = Package("confluent-kafka", "confluent_kafka", (2, 6), "Kafka topics, the local stack", "kafka")
PUBSUB_PACKAGE = Package("google-cloud-pubsub", "google.pubsub_v1", (2, 28), "Pub/Sub, the local stack", "pubsub")
BIGTABLE_PACKAGE = Package("google-cloud-bigtable", "google.cloud.bigtable", (2, 31), "Bigtable tables", "bigtable")
BIGQUERY_PACKAGE = Package("google-cloud-bigquery", "google.cloud.bigquery", (3, 25), "BigQuery tables", "bigquery")
DUCKDB_PACKAGE = Package("duckdb", "duckdb", (2,), "the demo's recount", "demo")
OBSTORE_PACKAGE = Package("obstore", "obstore", (0, 12), "objects of S3, Cloud Storage, Azure", "objects")
FSSPEC_PACKAGE = Package("fsspec", "fsspec.implementations.webhdfs", (2024, 2), "objects, files of HDFS", "objects")
PACKAGES = (
    KAFKA_PACKAGE,
    PUBSUB_PACKAGE,
    BIGTABLE_PACKAGE,
    BIGQUERY_PACKAGE,
    DUCKDB_PACKAGE,
    OBSTORE_PACKAGE,
    FSSPEC_PACKAGE,
)
STACK_NAMES = {JAVA.name, MAVEN.name, GO.name, KAFKA_PACKAGE.name, PUBSUB_PACKAGE.name}
"""What `crossfoot dev up` and the tests of services cannot do without."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `how` is the next step where it is not ok."""

    name: str
    state: State
    found: str
    purpose: str
    how: str = ""

    @property
    def ok(self) -> bool:
        """Whether it will do."""
        return self.state == "ok"


def machine(folder: Path) -> Iterator[Check]:
    """Everything but a definition's sources; `folder` is where stores would be."""
    yield _python()
    yield _native()
    yield from _room(folder)
    yield from (_package(package) for package in PACKAGES)
    yield from (_tool(tool, STACK) for tool in (JAVA, MAVEN, GO))
    yield from _parts()
    yield _tool(RUST, BUILDING)


def _python() -> Check:
    version = dotted(tuple(sys.version_info[:3]))
    state: State = "ok" if sys.version_info[:2] >= PYTHON_LEAST else "too old"
    how = f"Python {dotted(PYTHON_LEAST)} or newer is needed: sudo apt install python3"
    return Check("python", state, version, COUNTING, "" if state == "ok" else how)


def _native() -> Check:
    try:
        found = importlib.import_module("crossfoot._core").__version__
    except ImportError as error:
        how = (
            "install the wheel of this machine's kind: pip install --force-reinstall crossfoot; in a clone: make setup"
        )
        return Check("native module", "missing", str(error), COUNTING, how)
    return Check("native module", "ok", found, COUNTING)


def _room(folder: Path) -> Iterator[Check]:
    disk = shutil.disk_usage(folder).free
    yield _amount("disk", disk, DISK_LEAST_BYTES, f"free some space, or name another folder: --store DIR ({folder})")
    memory = _memory_bytes()
    if memory is not None:
        yield _amount("memory", memory, MEMORY_LEAST_BYTES, "end other programs, or lower limits.memory_bytes_max")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    state: State = "ok" if soft == resource.RLIM_INFINITY or soft >= FILES_LEAST else "too little"
    can = hard == resource.RLIM_INFINITY or hard >= FILES_LEAST
    how = f"ulimit -n {FILES_LEAST}" if can else f"ask who runs the machine to raise the hard limit to {FILES_LEAST}"
    yield Check("open files", state, str(soft), COUNTING, "" if state == "ok" else how)


def _amount(name: str, amount: int, least: int, how: str) -> Check:
    state: State = "ok" if amount >= least else "too little"
    shown = f"{amount / (1 << 30):.1f} GiB"
    return Check(name, state, shown, COUNTING, "" if state == "ok" else f"{least >> 30} GiB is the least; {how}")


def _memory_bytes() -> int | None:
    """What programs may still take."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def _package(package: Package) -> Check:
    how = f"pip install 'crossfoot[{package.extra}]'"
    try:
        version = metadata.version(package.name)
        importlib.import_module(package.module)
    except (ImportError, metadata.PackageNotFoundError):
        return Check(package.name, "missing", "", package.purpose, how)
    state: State = "ok" if _beginning(version) >= package.least else "too old"
    return Check(package.name, state, version, package.purpose, "" if state == "ok" else f"{how} --upgrade")


def _beginning(version: str) -> Version:
    """The numbers of a version, without what a pre-release adds."""
    numbers = [part for part in version.split(".") if part.isdigit()]
    return number(".".join(numbers)) if numbers else ()


def _tool(tool: Tool, purpose: str) -> Check:
    found = look_for(tool)
    how = "" if found.state == "ok" else f"{dotted(tool.least)} or newer: {tool.how}"
    return Check(tool.name, found.state, found.version, purpose, how)


def _parts() -> Iterator[Check]:
    cache = cache_folder()
    for part in PARTS:
        place = kept(part, cache)
        name = part.what.removeprefix("the ")
        if place:
            yield Check(name, "ok", part.version, STACK)
        else:
            yield Check(name, "missing", "", STACK, f"`crossfoot dev up` fetches it into {cache}")
