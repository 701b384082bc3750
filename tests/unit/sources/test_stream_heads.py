"""How a stream is known."""

import io
import os
import zlib
from collections.abc import Iterator

import pytest

from crossfoot import _core
from crossfoot.sources.files import Place, discover
from crossfoot.sources.partition import HEAD_BYTES, Identity, Position
from crossfoot.sources.reading import Reading, read_group
from crossfoot.sources.stream_heads import Patience, head_of, known_as

LINE = b'{"n": 1}\n'
LONG = LINE * 1000


class Pipe:
    """Both ends of a pipe."""

    def __init__(self) -> None:
        end, self.begin = os.pipe()
        self.end = io.FileIO(end)

    def close(self) -> None:
        self.end.close()
        os.close(self.begin)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


class Drips(io.BytesIO):
    """Gives a little at first, then as much as it is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if self.tell() else 100)


def test_a_stream_that_begins_slowly_loses_nothing(tmp_path):
    """What comes behind its first bytes in the same breath is read."""
    reading = Reading("json", ("n",), 100, 1 << 20, zlib.crc32, zlib.crc32)
    inputs = discover(["-"], Place(tmp_path, tmp_path), Drips(LONG))
    ((_, chunks),) = read_group(inputs, inputs.groups[0], {}, reading)
    assert b"".join(chunk.data for chunk in chunks) == LONG


def test_a_pause_is_an_end_of_the_first_bytes(pipe):
    """Once there is a whole line; nobody waits for ever."""
    os.write(pipe.begin, LINE + b"{")
    assert head_of(pipe.end, Patience(pause_s=0.1)) == LINE + b"{"


def test_half_a_line_is_waited_for(pipe):
    """Until we are asked to stop: then there is nothing to count."""
    os.write(pipe.begin, b"{")
    asked = iter([False] * 3)
    assert head_of(pipe.end, Patience(pause_s=0.1, stop=lambda: next(asked, True))) is None


def test_a_header_alone_is_waited_for(pipe):
    """Many tables begin with the same one."""
    asked = iter([False] * 3)
    os.write(pipe.begin, b"n\n")
    assert head_of(pipe.end, Patience(pause_s=0.1, stop=lambda: next(asked, True), is_table=True)) is None
    os.write(pipe.begin, b"n\n1\n")
    assert head_of(pipe.end, Patience(pause_s=0.1, is_table=True)) == b"n\n1\n"


def at(data: bytes, head: int, *, finished: bool = False) -> dict[str, Position]:
    """A stream of which these bytes were counted, and that is known by so many of them."""
    identity = Identity.of(0, data[:head])
    return {
        f"-@{identity.digest}": Position(identity, bytes=len(data), digest=_core.crc32c(data, 0), finished=finished)
    }


@pytest.mark.parametrize(
    ("known", "head", "is_same"),
    [
        # Known by all of its first bytes.
        (at(LONG, HEAD_BYTES), LONG[:HEAD_BYTES], True),
        (at(LONG, HEAD_BYTES), LONG[: HEAD_BYTES - 1], False),
        # Little was counted, and all of that is there again.
        (at(LINE * 9, 9), LINE * 9, True),
        (at(LINE * 9, 9), LINE * 20, True),
        (at(LINE * 9, 9), b"\xef\xbb\xbf" + LINE * 20, False),
        (at(LINE * 9, 9), LINE * 8 + b'{"n": 2}\n' * 9, False),
        (at(LINE * 9, 9, finished=True), LINE * 9, True),
        (at(LINE * 9, 81, finished=True), LINE * 20, False),
        # More was counted than has come: what comes will tell, unless it has paused.
        (at(LONG, 9), LONG[:HEAD_BYTES], True),
        (at(LONG, 9), LINE, False),
        # Nothing is the beginning of everything.
        (at(b"", 0), LINE, False),
        (at(b"", 0), b"", True),
    ],
)
def test_a_stream_is_the_one_that_was_counted(known, head, is_same):
    """Where that can be told; otherwise it has a name that no other has."""
    named = known_as("-", head, known, is_table=False)
    assert (named in known) == is_same
    assert named.startswith("-@")
    assert named not in known or known[named].identity.fits(head)


def test_another_stream_that_has_paused_at_the_same_place_is_another():
    """Its name says so."""
    known = at(LONG, 9)
    (name,) = known
    assert known_as("-", LINE, known, is_table=False) == f"{name}.2"


def test_rows_of_a_table_are_compared_when_they_are_read():
    """Their positions are no bytes of the stream."""
    (name,) = known = at(LONG, 9)
    assert known_as("-", LINE * 2, known, is_table=True) == name
    assert known_as("-", LINE * 2, at(LONG, 9, finished=True), is_table=True) != name
