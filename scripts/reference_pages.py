"""The pages of the reference that are made from the code: commands, definition, settings, exit codes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from crossfoot.cli.commands import COMMANDS, EXIT_CODES
from crossfoot.definition.limits import LIMIT_MAX
from crossfoot.definition.model import Limits
from crossfoot.definition.schema import schema
from crossfoot.settings import origins

ABOUT_SETTINGS = """\
Settings of a process are environment variables. What belongs to the data is in the definition. `crossfoot settings`
prints the values with their origin. Sizes may end in K, M or G."""
ABOUT_ERRORS = """\
An error is a line on standard error that begins with `error:`, followed by one that begins with `next:`."""
ABOUT_KEYS = """\
`NAME` stands for a name of your choice, `[]` for the members of a list. The same as a file for editors:
[crossfoot.schema.json](crossfoot.schema.json)."""
ABOUT_LIMITS = """\
Passing one is named and counted: a record over a limit of size, depth or members is `malformed`; at the others the run
stops and says so."""
MADE = "<!-- made by scripts/write_reference.py -->"


def pages() -> dict[str, str]:
    """File name -> text."""
    made = {
        "commands.md": commands(),
        "definition.md": definition(),
        "settings.md": settings(),
        "exit-codes.md": exit_codes(),
    }
    return {name: f"{text}\n\n{MADE}\n" for name, text in made.items()}


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def commands() -> str:
    """Every command with what its ``--help`` says."""
    parts = ["# Commands", table(("command", "does"), [(f"`{item.name}`", item.summary) for item in COMMANDS])]
    for item in COMMANDS:
        parts += [f"## crossfoot {item.name}", f"```text\n{help_of(item.name)}\n```"]
    return "\n\n".join([*parts, "What a command's exit code says: [exit codes](exit-codes.md)."])


def help_of(command: str) -> str:
    """What ``crossfoot COMMAND --help`` prints on a terminal of 100 columns."""
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    call = [sys.executable, "-m", "crossfoot", *command.split(), "--help"]
    printed = subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout
    return "\n".join(line.rstrip() for line in printed.strip().splitlines())


def settings() -> str:
    """The settings of a process, with their defaults."""
    rows = [(f"`{item.variable}`", shown(item.value), item.meaning) for item in origins({})]
    return "\n\n".join(["# Settings", ABOUT_SETTINGS, table(("variable", "default", "meaning"), rows)])


def exit_codes() -> str:
    """The exit codes that scripts may rely on."""
    rows = [(str(code), meaning) for code, meaning in EXIT_CODES]
    return "\n\n".join(["# Exit codes", table(("code", "meaning"), rows), ABOUT_ERRORS])


def definition() -> str:
    """Every key of a definition, and the limits."""
    said = {path: text for path, text in keys(schema(), "") if text}
    rows = [(f"`{path}`", text) for path, text in said.items()]
    standard = asdict(Limits())
    limits = [(f"`{name}`", shown(value), shown(LIMIT_MAX[name])) for name, value in standard.items()]
    parts = ["# The definition's keys", ABOUT_KEYS, table(("key", "meaning"), rows)]
    parts += ["## Limits", ABOUT_LIMITS, table(("key of `limits`", "default", "at most"), limits)]
    return "\n\n".join(parts)


def keys(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Dotted keys with their descriptions, in the order of the schema."""
    if "$ref" in node:
        yield from keys(meant(node), path)
    for choice in node.get("anyOf", []):
        yield from keys(choice, path)
    for name, child in node.get("properties", {}).items():
        inner = f"{path}.{name}".lstrip(".")
        yield inner, described(child)
        yield from keys(child, inner)
    if isinstance(named := node.get("additionalProperties"), dict):
        yield f"{path}.NAME", described(named)
        yield from keys(named, f"{path}.NAME")
    if "items" in node and "$ref" not in node["items"]:
        yield from keys(node["items"], f"{path}[]")


def meant(node: dict[str, Any]) -> dict[str, Any]:
    """The part that a reference names."""
    found: dict[str, Any] = schema()["$defs"].get(node.get("$ref", "").rpartition("/")[2], {})
    return found


def described(node: dict[str, Any]) -> str:
    """The description with the words that are allowed."""
    words = ", ".join(f"`{word}`" for word in node.get("enum", []))
    choices = [described(choice) for choice in node.get("anyOf", [])]
    said = node.get("description") or meant(node).get("description") or next(filter(None, choices), "")
    return " ".join(part for part in (said, words) if part)


def shown(value: object) -> str:
    """A default as a reader writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value) or "(none)"
