"""Imports go one way, as ARCHITECTURE.md draws it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta import source_tree as tree

PACKAGE = tree.ROOT / "src" / "crossfoot"

LEAVES = {"errors"}
VALUES = LEAVES | {"event", "definition"}
PURE = VALUES | {"identity", "calendar", "columns"}
STEPS = PURE | {"prepare", "settings", "clock", "files", "generations", "beside"}
NATIVE = {"native", "_core"}

# Room -> the rooms that it may import, beside itself. A new room needs a line here.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "files": LEAVES,
    "generations": LEAVES | {"files"},
    "clock": LEAVES,
    "beside": set(),
    "settings": LEAVES,
    "bigquery": LEAVES,
    "event": LEAVES,
    "definition": LEAVES,
    "identity": VALUES,
    "calendar": VALUES,
    "columns": set(),
    "prepare": PURE,
    "_core": set(),
    "native": LEAVES | {"_core"},
    "log": VALUES | {"clock", "files", "_core"},
    "seen": STEPS,
    "sources": STEPS | NATIVE | {"bigquery", "log", "seen"},
    "engines": STEPS | NATIVE,
    "engines/beam": STEPS | NATIVE | {"engines", "sources", "stores", "sinks"},
    "archive": STEPS | NATIVE | {"engines", "log", "stores"},
    "stores": STEPS | NATIVE,
    "query": PURE | {"stores", "settings"},
    "warehouse": STEPS | NATIVE | {"bigquery"},
    "sinks": STEPS | NATIVE | {"seen", "sources", "stores", "query", "warehouse"},
    "services": STEPS
    | NATIVE
    | {"bigquery", "engines", "archive", "sources", "stores", "seen", "sinks", "warehouse", "monitor", "reconcile"},
    "monitor": STEPS | NATIVE | {"archive", "query", "seen", "stores", "warehouse"},
    "reconcile": STEPS | NATIVE | {"bigquery", "engines", "archive", "sources", "stores", "query", "warehouse"},
    "testing": STEPS | NATIVE | {"engines", "sources", "stores", "log"},
    "generate": LEAVES | {"_core"},
    "demo": STEPS | {"services", "query", "stores", "generate"},
    "dev": STEPS | NATIVE | {"bigquery", "seen", "services", "sources", "stores", "warehouse", "reconcile", "generate"},
    "__main__": {"cli"},
    "cli": STEPS
    | NATIVE
    | {
        "engines",
        "sources",
        "stores",
        "services",
        "query",
        "testing",
        "generate",
        "demo",
        "dev",
        "seen",
        "warehouse",
        "monitor",
        "reconcile",
    },
}


def room_of(parts: tuple[str, ...]) -> str:
    """The room of a module path inside the package; ``__init__`` is the front door. A pipeline is a house by itself."""
    if parts[:2] == ("engines", "beam"):
        return "engines/beam"
    return parts[0].removesuffix(".pyi").removesuffix(".py")


def imported_modules(source: str) -> Iterator[str]:
    """Dotted names of everything imported, type-only imports included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    """The rooms of ours that a file imports."""
    ours = (name.split(".") for name in imported_modules(path.read_text(encoding="utf-8")))
    return {parts[1] for parts in ours if parts[0] == "crossfoot" and len(parts) > 1}


MODULES = [path for path in sorted(PACKAGE.rglob("*.py*")) if path.suffix in (".py", ".pyi")]
INSIDE = [path for path in MODULES if path.name != "__init__.py" or path.parent != PACKAGE]


@pytest.mark.parametrize("path", INSIDE, ids=tree.relative)
def test_imports_go_one_way(path: Path):
    """A module imports its own room and the rooms below it, nothing else."""
    room = room_of(path.relative_to(PACKAGE).parts)
    assert room in MAY_IMPORT, f"{room} is a new room: say in this test what it may import"
    assert rooms_imported(path) - MAY_IMPORT[room] - {room} - {"__version__"} == set()


def test_the_front_door_imports_nothing_at_once():
    """``import crossfoot`` loads no other module of ours; names are imported when they are first used."""
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    at_once = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in at_once if (node.module or "").startswith("crossfoot")] == []


def test_the_core_knows_nothing_of_python():
    """crates/core depends neither on PyO3 nor on crates/py."""
    manifest = (tree.ROOT / "crates" / "core" / "Cargo.toml").read_text(encoding="utf-8")
    assert "pyo3" not in manifest
    assert "crossfoot-py" not in manifest


def test_beam_is_imported_in_its_room_only():
    """Whoever counts without it never loads it."""
    importing = [
        path
        for path in MODULES
        if "apache_beam" in {n.split(".")[0] for n in imported_modules(path.read_text("utf-8"))}
    ]
    assert {room_of(path.relative_to(PACKAGE).parts) for path in importing} == {"engines/beam"}
