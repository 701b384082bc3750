"""Write the generated pages of the reference again; with ``--check``: say which ones differ from the code.

Made from the code: messages about a definition, its JSON Schema and keys, commands, settings, exit codes.
"""

import json
import sys
from pathlib import Path

import reference_pages

from crossfoot.definition.messages import pages as messages
from crossfoot.definition.schema import FILE, schema

ROOT = Path(__file__).resolve().parents[1]


def generated() -> dict[str, str]:
    """Path -> text of every generated file."""
    made = {f"{messages.FOLDER}/{name}": text for name, text in messages.pages().items()}
    made |= {f"docs/reference/{name}": text for name, text in reference_pages.pages().items()}
    return made | {FILE: json.dumps(schema(), indent=2) + "\n"}


def stale(made: dict[str, str]) -> list[str]:
    """Files that are missing, differ, or are no page of a message any more."""
    gone = [path for path in (ROOT / messages.FOLDER).glob("*.md") if path.relative_to(ROOT).as_posix() not in made]
    differing = [path for path, text in made.items() if not (ROOT / path).exists() or (ROOT / path).read_text() != text]
    return sorted([*differing, *(path.relative_to(ROOT).as_posix() for path in gone)])


def write(made: dict[str, str]) -> None:
    """Bring every file up to date, and remove what is no page any more."""
    for path in stale(made):
        if path in made:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(made[path], encoding="utf-8")
        else:
            (ROOT / path).unlink()


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if found := stale(generated()):
            sys.exit(f"these differ from the code: {', '.join(found)}\nnext: make reference")
    else:
        write(generated())
