"""The files that the house rules speak about, and their measures."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON_ROOMS = ("src", "tests", "bench", "scripts")
RUST_ROOMS = ("crates",)


@dataclass(frozen=True, slots=True)
class FunctionSize:
    """A function with its lines from the first of its head to its end, and its parameters (without ``self``)."""

    place: str
    lines: int
    parameters: int


def files(rooms: tuple[str, ...], suffix: str) -> list[Path]:
    """Sorted source files, without what is built or generated."""
    found = (path for room in rooms for path in (ROOT / room).rglob(f"*{suffix}"))
    return sorted(path for path in found if "target" not in path.parts and "__pycache__" not in path.parts)


def python_files() -> list[Path]:
    """Every Python file of the project."""
    return files(PYTHON_ROOMS, ".py")


def rust_files() -> list[Path]:
    """Every Rust file of the project."""
    return files(RUST_ROOMS, ".rs")


def relative(path: Path) -> str:
    """The path as the rules name it."""
    return path.relative_to(ROOT).as_posix()


def python_functions(path: Path) -> Iterator[FunctionSize]:
    """Sizes of all functions and methods of a Python file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            parameters = [argument for argument in named if argument.arg not in ("self", "cls")]
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield FunctionSize(f"{relative(path)}::{node.name}", lines, len(parameters))


RUST_HEAD = re.compile(r"^[ \t]*(?:pub(?:\([^)]*\))?[ ]+)?(?:const[ ]+|async[ ]+|unsafe[ ]+)*fn[ ]+(\w+)", re.MULTILINE)
# Comments, strings and characters may hold braces; a lifetime ('a) is no character.
RUST_OPAQUE = re.compile(
    r"//[^\n]*|/\*.*?\*/|b?r(#*)\".*?\"\1|b?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.[^']*|[^'\\])'", re.DOTALL
)


def blank_out(text: str) -> str:
    """The text with comments and literals replaced by spaces, lines kept."""
    return RUST_OPAQUE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def matching(text: str, start: int, opening: str, closing: str) -> int:
    """The index of the bracket that closes the one at ``start``."""
    depth = 0
    for index in range(start, len(text)):
        depth += (text[index] == opening) - (text[index] == closing)
        if depth == 0:
            return index
    return len(text) - 1


def rust_parameters(text: str, opening: int) -> int:
    """The number of parameters in the bracket at ``opening``, receivers not counted."""
    inside = text[opening + 1 : matching(text, opening, "(", ")")]
    depth, parts = 0, [""]
    for character in inside.replace("->", "  "):
        depth += (character in "(<[{") - (character in ")>]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return sum(1 for part in parts if part.strip() and not re.fullmatch(r"[&\s]*('\w+\s+)?(mut\s+)?self", part.strip()))


def rust_functions(path: Path) -> Iterator[FunctionSize]:
    """Sizes of all functions of a Rust file, by a scan of brackets."""
    text = blank_out(path.read_text(encoding="utf-8"))
    for head in RUST_HEAD.finditer(text):
        opening = text.find("(", head.end())
        closed = matching(text, opening, "(", ")")
        ends = [index for mark in "{;" if (index := text.find(mark, closed)) != -1]
        body = min(ends, default=closed)
        end = matching(text, body, "{", "}") if text[body : body + 1] == "{" else body
        start = head.start(0) + (len(head.group(0)) - len(head.group(0).lstrip()))
        yield FunctionSize(
            f"{relative(path)}::{head.group(1)}", text.count("\n", start, end) + 1, rust_parameters(text, opening)
        )
