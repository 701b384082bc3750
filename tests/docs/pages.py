"""Markdown pages as what they ask a reader to type, and what they say comes back."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<language>\w*)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: ``file`` is the name that it is written to, ``reason`` says why it is not run."""

    language: str
    file: str | None
    text: str
    reason: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """A command line and the lines that it prints; ``…`` stands for any text, alone on a line for any lines."""

    command: str
    output: str


def pages() -> list[Path]:
    """Every page that a reader sees."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(match["language"], match["file"], match["text"], match["reason"], text.count("\n", 0, match.start()) + 1)
        for match in FENCE.finditer(text)
    ]


def calls(block: Block) -> list[Call]:
    """The ``$`` lines of a console block, each with the output below it; a trailing backslash joins lines."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    if parts[0].strip():
        raise ValueError(f"line {block.line}: a console block begins with '$ '")
    found = []
    for part in parts[1:]:
        command, _, output = part.replace("\\\n", "\0").partition("\n")
        found.append(Call(command.replace("\0", "\\\n"), output.replace("\0", "\\\n")))
    return found


def same(expected: str, printed: str) -> bool:
    """Whether the output is the expected one, blanks at line ends aside."""
    lines = [line.rstrip() for line in expected.rstrip().splitlines()]
    pattern = "\n".join(".*" if line == ELLIPSIS else re.escape(line).replace(ELLIPSIS, "[^\n]*") for line in lines)
    got = "\n".join(line.rstrip() for line in printed.rstrip().splitlines())
    return re.fullmatch(pattern, got, re.DOTALL) is not None
