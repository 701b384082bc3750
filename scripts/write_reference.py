"""Write the generated pages of the reference again (the messages, the schema); a test compares them with the code."""

import json
from pathlib import Path

from crossfoot.definition.messages.pages import FOLDER, pages
from crossfoot.definition.schema import FILE, schema

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Every page, and nothing that is no page any more."""
    folder = ROOT / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    (ROOT / FILE).write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
