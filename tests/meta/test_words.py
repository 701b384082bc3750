"""What no file of the project may say."""

import ast
import re
from pathlib import Path

import pytest

from tests.meta import source_tree as tree

TEXT_SUFFIXES = {".py", ".pyi", ".rs", ".toml", ".md", ".txt", ".yaml", ".yml", ".json", ".sh", ".sql", ""}
ROOMS = ("src", "crates", "tests", "bench", "scripts", "docs", "examples", ".ci")
# A letter in brackets keeps a pattern from finding itself.
FORBIDDEN = {
    "a path of one machine": r"/(?:[w]ork|[r]oot)/",
    "a registry's host": r"\b(?:[p]ypi\.org|[p]ythonhosted\.org|[i]ndex\.crates\.io|[n]pmjs\.(?:com|org))\b",
    "work left undone": r"\b(?:[T]ODO|[F]IXME|[X]XX)\b",
}


def text_files() -> list[Path]:
    """Every text file that a person wrote."""
    inside = [path for room in ROOMS for path in (tree.ROOT / room).rglob("*")]
    paths = [path for path in [*tree.ROOT.iterdir(), *inside] if path.is_file() and path.suffix in TEXT_SUFFIXES]
    built = {"__pycache__", "target", "node_modules"}
    return sorted(path for path in paths if path.name != "Cargo.lock" and not built & set(path.parts))


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_says(what: str):
    """No file names a machine's paths or a registry's host, or leaves a note instead of work."""
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{tree.relative(path)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", tree.python_files(), ids=tree.relative)
def test_no_bare_except(path: Path):
    """An exception is caught by its name."""
    handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
    assert [node.lineno for node in handlers if node.type is None] == []
