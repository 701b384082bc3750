"""Identity (semantics section 3): the typed encoding of ids, the keyed 128-bit hash, event uuids and ledger digests.

Every engine makes the same bytes here, so it makes the same uuids. The key is `definition.compile.namespace_key`.
Values are raw ones (null, boolean, text, `NumberLiteral`) or those of declared fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, TypeAlias

from crossfoot.definition.model import IdSpec
from crossfoot.definition.number import NumberLiteral, canonical

Kind: TypeAlias = Literal["i", "f", "p", "c"]
"""What an encoding stands for: id fields, fingerprint, position, or the content of declared fields."""

Reason: TypeAlias = Literal["missing", "type"]

MASK_128 = (1 << 128) - 1
_MASK = (1 << 64) - 1
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


class IdError(ValueError):
    """A record has no id; `reason` is ``missing`` or ``type``."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def event_uuid(key: bytes, spec: IdSpec, values: Sequence[object]) -> int:
    """The uuid of an id by fields or fingerprint, from the raw values of the paths that `spec` names."""
    if spec.kind == "uuid":
        return _made_already(*values)
    if spec.kind == "fingerprint":
        return siphash128(key, encode("f", values))
    for value in values:
        if value is None:
            raise IdError("missing")
        fractional = isinstance(value, NumberLiteral) and not canonical(value.text).integral
        if fractional or isinstance(value, dict | list):
            raise IdError("type")
    if len(values) == 1 and isinstance(values[0], str) and _UUID.fullmatch(values[0]):
        return int(values[0].replace("-", ""), 16)
    return siphash128(key, encode("i", values))


def _made_already(value: object) -> int:
    if value is None:
        raise IdError("missing")
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise IdError("type")
    return int(value.replace("-", ""), 16)


def position_uuid(key: bytes, partition: str, ordinal: int) -> int:
    """The uuid of a record whose id is its position; also what a record without uuid adds to the ledger's digest."""
    return siphash128(key, encode("p", (partition, ordinal)))


def element_uuid(key: bytes, uuid: int, place: int) -> int:
    """The uuid of an element without an id of its own, from that of its record and its place in the list."""
    return siphash128(key, b"x" + uuid.to_bytes(16, "big") + place.to_bytes(4, "big"))


def ledger_digest(key: bytes, uuid: int) -> int:
    """What a record with a uuid adds to its account's digest."""
    return siphash128(key, b"u" + uuid.to_bytes(16, "big"))


def content_digest(key: bytes, values: Sequence[object]) -> int:
    """The digest of the declared fields that is kept with an id."""
    return siphash128(key, encode("c", values))


def encode(kind: Kind, values: Sequence[object]) -> bytes:
    """Typed and length-prefixed, so equal bytes mean equal values; IdError type for an object or array."""
    return b"".join([kind.encode(), len(values).to_bytes(4, "little"), *(_encode_value(value) for value in values)])


def _encode_value(value: object) -> bytes:
    if value is None:
        return b"\x00"
    if isinstance(value, bool):
        return b"\x02" if value else b"\x01"
    if isinstance(value, str):
        return _counted(4, value)
    if isinstance(value, NumberLiteral):
        return _counted(3, canonical(value.text).text)
    if isinstance(value, int | Decimal | float):
        return _counted(3, canonical(str(value)).text)
    raise IdError("type")


def _counted(tag: int, text: str) -> bytes:
    data = text.encode()
    return bytes([tag]) + len(data).to_bytes(4, "little") + data


def siphash128(key: bytes, data: bytes) -> int:
    """SipHash-2-4 with a 128-bit output: the first word in the low half."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    whole = len(data) // 8 * 8
    last = int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56
    for word in [*(int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)), last]:
        v0, v1, v2, v3 = _rounds(v0, v1, v2, v3 ^ word, 2)
        v0 ^= word
    v0, v1, v2, v3 = _rounds(v0, v1, v2 ^ 0xEE, v3, 4)
    low = v0 ^ v1 ^ v2 ^ v3
    v0, v1, v2, v3 = _rounds(v0, v1 ^ 0xDD, v2, v3, 4)
    return low | (v0 ^ v1 ^ v2 ^ v3) << 64


def _rounds(v0: int, v1: int, v2: int, v3: int, count: int) -> tuple[int, int, int, int]:
    for _ in range(count):
        v0 = (v0 + v1) & _MASK
        v1 = _rotate(v1, 13) ^ v0
        v0 = _rotate(v0, 32)
        v2 = (v2 + v3) & _MASK
        v3 = _rotate(v3, 16) ^ v2
        v0 = (v0 + v3) & _MASK
        v3 = _rotate(v3, 21) ^ v0
        v2 = (v2 + v1) & _MASK
        v1 = _rotate(v1, 17) ^ v2
        v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK
