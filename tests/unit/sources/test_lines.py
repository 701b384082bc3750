"""Blocks of whole lines out of pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot.sources.lines import HEAD_BYTES, LineCutter, Lines, LongLine


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def cut(data: bytes, size: int, record_bytes_max: int = 100, block_bytes: int = 64) -> list[Lines | LongLine]:
    cutter = LineCutter(record_bytes_max, block_bytes)
    return [*(chunk for piece in pieces_of(data, size) for chunk in cutter.push(piece)), *cutter.end()]


def consumed(chunks: list[Lines | LongLine]) -> int:
    return sum(chunk.length if isinstance(chunk, LongLine) else len(chunk.data) for chunk in chunks)


def records(chunks: list[Lines | LongLine]) -> list[object]:
    """What the core would see: lines that are not blank, and long lines by their size."""
    seen: list[object] = []
    for chunk in chunks:
        if isinstance(chunk, LongLine):
            seen += [(chunk.length, chunk.head[:5])] if chunk.head else []
        else:
            seen += [line for line in chunk.data.split(b"\n") if line.strip()]
    return seen


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_lines_are_whole_whatever_the_pieces(size: int):
    """No piece border is seen behind the cutter."""
    data = b"one\ntwo\r\n\nthree\nlast"
    assert records(cut(data, size)) == [b"one", b"two\r", b"three", b"last"]


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_a_long_line_is_measured_and_not_kept(size: int):
    """A line over the limit stands as one long line with its length, newline included."""
    data = b"a\n" + b"x" * 300 + b"\nb\n"
    assert records(cut(data, size, block_bytes=8)) in ([b"a", (301, b"xxxxx"), b"b"], [b"a", b"x" * 300, b"b"])
    assert consumed(cut(data, size)) == len(data)


def test_a_long_line_holds_no_more_than_its_head():
    """However long the line: its head is as long as the side log keeps."""
    (chunk,) = cut(b"x" * 1_000_000, 4096, record_bytes_max=1000)
    assert chunk == LongLine(1_000_000, b"x" * HEAD_BYTES)


@pytest.mark.parametrize("size", [1, 9, 1000])
def test_a_long_blank_line_is_no_record(size: int):
    """White space is no record, however much, and all of it is consumed."""
    data = b" " * 500 + b"\t\r\n{}\n"
    chunks = cut(data, size)
    assert records(chunks) == [b"{}"]
    assert consumed(chunks) == len(data)


def test_a_long_line_that_begins_blank_is_one_line():
    """Blanks before the content do not hide the length."""
    assert records(cut(b" " * 300 + b"{}\n", 10)) == [(303, b"     ")]


def test_a_broken_input_gives_out_whole_lines_only():
    """After damage the unfinished line is not counted: it is read again once the input is repaired."""
    cutter = LineCutter(100, 64)
    assert list(cutter.push(b"one\ntw")) == []
    assert list(cutter.broken_off()) == [Lines(b"one\n")]


def test_blocks_are_large():
    """Small pieces are put together to blocks."""
    chunks = cut(b"ab\n" * 1000, 3, block_bytes=300)
    assert max(len(chunk.data) for chunk in chunks if isinstance(chunk, Lines)) >= 300
    assert len(chunks) <= 11


def test_the_lines_of_a_large_piece_are_not_copied():
    """But for the one that begins in the piece before."""
    cutter = LineCutter(100, 64)
    first, second = b"one\n" * 20 + b"be", b"gun\n" + b"two\n" * 20
    assert list(cutter.push(first)) == [Lines(first, 0, 80)]
    begun, whole = cutter.push(second)
    assert begun.data == b"begun\n"
    assert whole.read is second
    assert whole.data == b"two\n" * 20
    assert list(cutter.end()) == []


def test_nothing_gives_nothing():
    """An empty input has no chunk."""
    assert cut(b"", 10) == []


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50), st.integers(1, 200))
def test_every_byte_is_consumed_once(lines: list[bytes], size: int, block_bytes: int):
    """The chunks cover the input, in order, without loss."""
    data = b"\n".join(lines)
    chunks = cut(data, size, record_bytes_max=1000, block_bytes=block_bytes)
    assert b"".join(chunk.data for chunk in chunks if isinstance(chunk, Lines)) == data
