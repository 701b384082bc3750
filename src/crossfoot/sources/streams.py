"""The bytes of an input, in pieces: plain, gzip, zstd, and the members of tar archives."""

from __future__ import annotations

import io
import select
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, Protocol

from crossfoot.errors import DataError

Pieces = Iterator[bytes]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Compressed bytes that are unpacked at once: bounds what a hostile input can blow up to.
_STEP_BYTES = 4 << 10
# How long a wish to stop may have to wait for a stream on which nothing comes.
WAIT_S = 0.2
# What comes within this time, and in so many parts, is one piece.
_MORE_S = 0.01
_PARTS_MAX = 64
_GZIP = (".gz", ".tgz")
_ZSTD = (".zst", ".tzst")
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst")


class DamageError(DataError):
    """An input cannot be read further than `offset`, in unpacked bytes (or rows of a table)."""

    def __init__(self, name: str, offset: int, why: str, hint: str = "", unit: str = "unpacked byte") -> None:
        last = unit.rsplit(maxsplit=1)[-1]
        again = f"repair it and run again: what comes before that {last} is counted, the rest will be"
        super().__init__(f"{name} is damaged at {unit} {offset}: {why}", hint or again)
        self.name = name
        self.offset = offset


def _corrupt(name: str, offset: int, why: str) -> DamageError:
    """Packed bytes were changed, not cut: garbage may have come out before anything noticed."""
    hint = "records counted from it may be wrong: replace the file and count into a new store (--store DIR)"
    return DamageError(name, offset, why, hint)


def _other_kind(name: str, kind: str) -> DamageError:
    """The name says how it is packed, and its first bytes say otherwise."""
    return DamageError(
        name, 0, f"it is not {kind}", "nothing of it was counted: pack it again, or take the ending away"
    )


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class Stopped(Exception):  # noqa: N818 - a wish of who runs us, not an error
    """Asked to stop while waiting for a stream."""


def stream_pieces(file: IO[bytes], name: str, piece_bytes: int, stop: Callable[[], bool]) -> Pieces:
    """A stream as it comes: what has come waits a moment for more. While nothing comes, `stop` is asked; `Stopped` if
    it says so.
    """
    try:
        while True:
            while not has_come(file, WAIT_S):
                if stop():
                    raise Stopped
            if not (piece := _piece(file, piece_bytes)):
                return
            yield piece
    except OSError as error:
        raise unreadable(name, error) from error


def _piece(file: IO[bytes], piece_bytes: int) -> bytes:
    parts = [file.read(piece_bytes)]
    size = len(parts[0])
    while parts[-1] and size < piece_bytes and len(parts) < _PARTS_MAX and has_come(file, _MORE_S):
        parts.append(file.read(piece_bytes - size))
        size += len(parts[-1])
    return b"".join(parts)


def has_come(file: IO[bytes], wait_s: float) -> bool:
    """Whether there is something to read, or the end, within the time; what cannot be waited for is read at once."""
    return not isinstance(file, io.FileIO) or bool(select.select([file], [], [], wait_s)[0])


def is_packed(name: str) -> bool:
    """Whether the name says that its bytes are compressed."""
    return name.lower().endswith((*_GZIP, *_ZSTD))


def is_archive(name: str) -> bool:
    """Whether the name says that it holds files."""
    return name.lower().endswith(_ARCHIVES)


def unreadable(name: str, error: OSError) -> DataError:
    """An input that the system does not hand out."""
    hint = "check the path" if isinstance(error, FileNotFoundError) else "make it readable, or leave it out"
    return DataError(f"cannot read {name}: {error.strerror or error}", hint)


def read_pieces(file: IO[bytes], name: str, piece_bytes: int) -> Pieces:
    """A file from where it stands to its end."""
    try:
        while piece := file.read(piece_bytes):
            yield piece
    except OSError as error:
        raise unreadable(name, error) from error


def unpack(pieces: Pieces, name: str) -> Pieces:
    """The pieces as the name says that they are packed: `.gz`, `.zst`, or not at all."""
    lowered = name.lower()
    if lowered.endswith(_GZIP):
        return _decompress(pieces, name, lambda: zlib.decompressobj(wbits=31), "gzip")
    if lowered.endswith(_ZSTD):
        return _decompress(pieces, name, _zstd, "zstd")
    return pieces


def _zstd() -> _Decoder:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


def _faults() -> tuple[type[Exception], ...]:
    import zstandard

    return zlib.error, zstandard.ZstdError


def _decompress(pieces: Pieces, name: str, new: Callable[[], _Decoder], kind: str) -> Pieces:
    """All members (frames) one after the other; zero bytes may pad them."""
    decoder: _Decoder | None = None
    seen, offset = False, 0
    for step in _steps(pieces):
        left = step
        while left := left if decoder or not seen else left.lstrip(b"\0"):
            decoder, seen = decoder or new(), True
            try:
                out = decoder.decompress(left)
            except _faults() as error:
                other = not offset and not step.startswith(_MAGIC[kind])
                raise (_other_kind(name, kind) if other else _corrupt(name, offset, f"{kind}: {error}")) from error
            offset += len(out)
            if out:
                yield out
            left = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None or not seen:
        raise DamageError(name, offset, f"{kind}: it ends too early")


def _steps(pieces: Pieces) -> Pieces:
    for piece in pieces:
        for at in range(0, len(piece), _STEP_BYTES):
            yield piece[at : at + _STEP_BYTES]


def without_mark(pieces: Pieces) -> Pieces:
    """The pieces without a byte order mark at their beginning."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(BYTE_ORDER_MARK):
            break
    if rest := head.removeprefix(BYTE_ORDER_MARK):
        yield rest
    yield from pieces


def skip(pieces: Pieces, count: int, keep: int, digest: Callable[[bytes, int], int]) -> tuple[int, bytes, int, Pieces]:
    """Pass over `count` bytes: how many there were, the last `keep` of them, the digest of all, and what follows."""
    passed, tail, known = 0, b"", 0
    while passed < count:
        piece = next(pieces, b"")
        if not piece:
            break
        part = piece[: count - passed]
        passed += len(part)
        tail, known = (tail + part[-keep:])[-keep:], digest(part, known)
        if len(part) < len(piece):
            return passed, tail, known, _chain(piece[len(part) :], pieces)
    return passed, tail, known, pieces


def _chain(first: bytes, rest: Pieces) -> Pieces:
    yield first
    yield from rest


class _Forward:
    """Pieces as a file that is read forwards; a step back of a few bytes is all that tarfile asks for."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._buffer = bytearray()
        self._at = 0  # position of the buffer's first byte
        self._next = 0  # position of the next byte to be read
        self.last = b""

    def tell(self) -> int:
        return self._next

    def seek(self, position: int) -> None:
        self._next = position

    def read(self, size: int) -> bytes:
        while self._at + len(self._buffer) < self._next + size and (piece := next(self._pieces, b"")):
            self._forget()
            self._buffer += piece
        self._forget()
        start = self._next - self._at
        self.last = bytes(self._buffer[start : start + size])
        self._next += len(self.last)
        return self.last

    def _forget(self) -> None:
        """Let go of what lies more than a block behind."""
        behind = min(self._next - tarfile.BLOCKSIZE - self._at, len(self._buffer))
        if behind > 0:
            del self._buffer[:behind]
            self._at += behind


def members(pieces: Pieces, name: str) -> Iterator[tuple[str, Pieces]]:
    """The files in a tar stream, in its order: name and bytes. Each is read before the next is asked for."""
    file = _Forward(pieces)
    seen: dict[str, int] = {}
    try:
        source: Any = file
        with tarfile.open(fileobj=source, mode="r:", errorlevel=1) as archive:
            for member in archive:
                if member.isfile():
                    count = seen[member.name] = seen.get(member.name, 0) + 1
                    label = member.name if count == 1 else f"{member.name}#{count}"
                    yield label, _member_pieces(archive, member, f"{name}!{label}")
    except (tarfile.TarError, EOFError) as error:
        raise DamageError(name, file.tell(), f"tar: {error}") from error
    # tarfile takes a damaged header for the end; the true end is a block of zeros.
    if file.last != bytes(tarfile.BLOCKSIZE):
        raise DamageError(name, file.tell(), "tar: a member's header is damaged or missing")


def _member_pieces(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Pieces:
    reader = archive.extractfile(member)
    assert reader is not None
    offset = 0
    try:
        while piece := reader.read(1 << 16):
            offset += len(piece)
            yield piece
    except tarfile.TarError as error:
        raise DamageError(name, offset, f"tar: {error}") from error
