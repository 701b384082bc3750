"""Events as lines on standard error, as JSON or as text; off unless asked for."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from crossfoot.seen.changes import Event


class Log:
    """Lines of one service. `form` is json, text, or nothing."""

    def __init__(self, form: str, service: str, stream: TextIO | None = None) -> None:
        self._logger = logging.Logger(f"crossfoot.{service}")
        if form:
            handler = logging.StreamHandler(stream or sys.stderr)
            handler.setFormatter(_Json() if form == "json" else _Text())
            self._logger.addHandler(handler)
        else:
            self._logger.addHandler(logging.NullHandler())

    def tell(self, event: Event) -> None:
        """One line."""
        level = logging.WARNING if event.warns else logging.INFO
        self._logger.log(level, event.name, extra={"facts": event.facts})


def _facts(record: logging.LogRecord) -> dict[str, object]:
    service = record.name.rpartition(".")[2]
    head = {"time": _time(record), "level": record.levelname.lower(), "service": service, "event": record.getMessage()}
    return {**head, **getattr(record, "facts", {})}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_facts(record), ensure_ascii=True)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        head = _facts(record)
        line = " ".join(str(head.pop(name)) for name in ("time", "level", "service", "event"))
        return " ".join([line, *(f"{name}={_shown(value)}" for name, value in head.items())])


def _shown(value: object) -> str:
    """A value in one word; what has blanks or could end the line is quoted as in JSON."""
    if isinstance(value, list | tuple):
        return ",".join(map(_shown, value))
    text = str(value)
    is_plain = text.isascii() and text.isprintable() and " " not in text and '"' not in text
    return text if is_plain else json.dumps(text)
