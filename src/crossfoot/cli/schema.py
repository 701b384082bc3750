"""crossfoot schema: the JSON Schema of definitions."""

from __future__ import annotations

import json
from pathlib import Path

from crossfoot.cli.output import next_step, say
from crossfoot.definition.schema import schema as json_schema


def schema(*, output: Path | None = None) -> int:
    """Print the JSON Schema of definitions, for editors.

    Parameters
    ----------
    output
        The file to write instead, such as `crossfoot.schema.json`.
    """
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if output is None:
        say(text)
        return 0
    output.write_text(text + "\n", encoding="utf-8")
    next_step(f"begin a definition with  # yaml-language-server: $schema={output}")
    return 0
