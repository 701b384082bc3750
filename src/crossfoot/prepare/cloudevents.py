"""CloudEvents in binary mode (Kafka headers, Pub/Sub attributes) -> the structured form, one JSON object.

A message without these headers is structured already, and left as it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import NoReturn

_PREFIXES = ("ce_", "ce-")
_VERSION = "specversion"


def structured(headers: Mapping[str, str], data: bytes) -> bytes:
    """The event as one JSON object: its attributes are texts, and numbers of its data keep their digits.

    Data that calls itself JSON and is none gives no event: the data alone is passed on, which is malformed.
    """
    attributes = {name[3:]: text for name, text in headers.items() if name.startswith(_PREFIXES)}
    if _VERSION not in attributes:
        return data
    kind = next((text for name, text in headers.items() if name.lower() == "content-type"), None)
    if kind is not None:
        attributes["datacontenttype"] = kind
    parts = [f"{json.dumps(name)}: {json.dumps(text)}".encode() for name, text in attributes.items()]
    if data and _says_json(kind):
        if not _is_json(data):
            return data
        parts.append(b'"data": ' + data)
    elif data and (text := _text_of(kind, data)) is not None:
        parts.append(f'"data": {json.dumps(text)}'.encode())
    elif data:
        parts.append(b'"data_base64": "' + base64.b64encode(data) + b'"')
    return b"{" + b", ".join(parts) + b"}"


def _says_json(kind: str | None) -> bool:
    """Without a content type, data is JSON."""
    media = "application/json" if kind is None else _media(kind)
    return media == "application/json" or media.endswith("+json")


def _media(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()


def _text_of(kind: str | None, data: bytes) -> str | None:
    """Data of a content type that is text; None: it is binary."""
    media, _, parameters = (kind or "").lower().partition(";")
    media = media.strip()
    is_text = media.startswith("text/") or media == "application/xml" or media.endswith("+xml")
    said = [one.strip().removeprefix("charset=") for one in parameters.split(";") if one.strip().startswith("charset=")]
    is_utf8 = all(name.strip('"') in ("utf-8", "us-ascii") for name in said[:1])
    return data.decode() if is_text and is_utf8 else None


def _is_json(data: bytes) -> bool:
    """One whole value, so that nothing in it can pass for an attribute."""
    try:
        json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
