"""What the pages show is true: commands are run, Python is executed, definitions load, links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, Call, blocks, calls, pages, same

PAGES = pages()
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LANGUAGES = {"console", "python", "yaml", "json", "jsonl", "csv", "sql", "text"}
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)[^)]*\)")


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder like the project's, for a page's commands: the examples copied, their data linked."""
    examples = tmp_path / "examples"
    examples.mkdir()
    (examples / "data").symlink_to(ROOT / "examples" / "data")
    for definition in (ROOT / "examples").glob("*.yaml"):
        (examples / definition.name).write_bytes(definition.read_bytes())
    return tmp_path


def environment() -> dict[str, str]:
    """A plain terminal whose first programs are those of this Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSFOOT_", "PYTEST_"))}
    return kept | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def run_call(call: Call, room: Path) -> None:
    """Run one command line and compare what it prints."""
    result = subprocess.run(
        ["bash", "-c", call.command],
        cwd=room,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert same(call.output, result.stdout), f"$ {call.command}\n{result.stdout}\n(exit {result.returncode})"


def run_block(block: Block, room: Path, names: dict[str, object]) -> None:
    """Do what a reader would do with the block."""
    if block.file:
        (room / block.file).write_text(block.text)
    if block.language == "console":
        for call in calls(block):
            run_call(call, room)
    elif block.language == "python":
        exec(compile("\n" * block.line + block.text, "page", "exec"), names)
    elif block.language == "yaml" and block.text.startswith("crossfoot:"):
        check_definition(block, room)


def check_definition(block: Block, room: Path) -> None:
    """A whole definition on a page loads."""
    path = room / (block.file or "definition.yaml")
    path.write_text(block.text)
    result = subprocess.run(
        [sys.executable, "-m", "crossfoot", "check", str(path)],
        cwd=room,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_a_page_shows_is_true(page: Path, room: Path, monkeypatch: pytest.MonkeyPatch):
    """Every block of the page, from the first to the last, in one folder."""
    monkeypatch.chdir(room)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.reason is None:
            run_block(block, room, names)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_names_its_language(page: Path):
    """A block's language says what is done with it."""
    assert [block.line for block in blocks(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path):
    """A relative link names a file of the project."""
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("kind", ["files", "kafka", "pubsub", "socket"])
def test_each_source_without_an_end_has_its_page(kind: str):
    """The table of sources leads there, and nothing stands before it that takes one back."""
    before, _, table = (ROOT / "docs" / "guide" / "sources.md").read_text("utf-8").partition("| `source` | reads |")
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{kind}: ")]
    assert LINK.search(row)
    assert "does not" not in before.split("\n\n")[-2]


def test_every_page_can_be_reached():
    """Each page of docs/ is linked from another page."""
    linked = {
        (page.parent / target).resolve() for page in PAGES for target in LINK.findall(page.read_text(encoding="utf-8"))
    }
    unreached = [name for page, name in zip(PAGES, NAMES, strict=True) if "docs" in page.parts and page not in linked]
    assert [name for name in unreached if name != "docs/index.md"] == []


@pytest.mark.parametrize(
    ("expected", "printed", "answer"),
    [
        ("counted 3\n", "counted 3  \n", True),
        ("counted 3\n", "counted 4\n", False),
        ("took … s\n", "took 1.5 s\n", True),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("took … s\n", "took 1\n2 s\n", False),
    ],
)
def test_output_is_compared_line_by_line(expected: str, printed: str, answer: bool):
    """An ellipsis stands for text within a line, or alone for whole lines."""
    assert same(expected, printed) is answer


def test_a_console_block_is_split_into_calls():
    """Each dollar line is a call, the lines below it are its output."""
    block = Block("console", None, "$ one \\\n  two\nout\n$ three\n", None, 1)
    assert calls(block) == [Call("one \\\n  two", "out\n"), Call("three", "")]
