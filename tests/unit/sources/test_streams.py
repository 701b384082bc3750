"""Bytes of plain, packed and archived inputs."""

import gzip
import io
import os
import random
import tarfile
import zlib

import pytest
import zstandard

from crossfoot.sources.streams import (
    DamageError,
    Stopped,
    is_archive,
    members,
    skip,
    stream_pieces,
    unpack,
    without_mark,
)

DATA = random.Random(7).randbytes(200_000)


def pieces(data: bytes, size: int = 1 << 16):
    return iter([data[at : at + size] for at in range(0, len(data), size)])


def tar(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def read_members(data: bytes, size: int = 1 << 16) -> dict[str, bytes]:
    return {name: b"".join(content) for name, content in members(pieces(data, size), "a.tar")}


def test_a_stream_comes_in_pieces_as_large_as_there_is_something():
    """What has come waits for nothing but a moment; while nothing comes it is asked whether to stop."""
    end, begin = os.pipe()
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 2

    with io.FileIO(end) as file:
        os.write(begin, b"1" * 3000)
        found = stream_pieces(file, "-", 2000, stop)
        assert [next(found), next(found)] == [b"1" * 2000, b"1" * 1000]
        assert not asked
        with pytest.raises(Stopped):
            next(found)
        os.write(begin, b"2")
        os.close(begin)
        assert list(stream_pieces(file, "-", 2000, stop)) == [b"2"]


PACKED = {"a.gz": gzip.compress, "a.zst": zstandard.compress}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_packed_bytes_come_back(name, size):
    """What was packed is unpacked, whatever the pieces."""
    data = DATA[:5000]
    assert b"".join(unpack(pieces(PACKED[name](data), size), name)) == data


@pytest.mark.parametrize("name", PACKED)
def test_members_follow_one_another(name):
    """Two packed files joined end to end are the two contents joined."""
    assert b"".join(unpack(pieces(PACKED[name](b"one") + PACKED[name](b"two")), name)) == b"onetwo"


def test_zeros_may_pad_a_gzip_file():
    """Tapes and block devices pad with zeros."""
    assert b"".join(unpack(pieces(gzip.compress(b"one") + bytes(1000)), "a.gz")) == b"one"


def read_until_damage(name: str, packed: bytes) -> tuple[bytes, DamageError]:
    good: list[bytes] = []
    with pytest.raises(DamageError, match=rf"^{name} is damaged at unpacked byte \d+: ") as caught:
        good.extend(unpack(pieces(packed), name))
    assert len(b"".join(good)) == caught.value.offset
    return b"".join(good), caught.value


@pytest.mark.parametrize("name", PACKED)
def test_a_cut_file_gives_out_what_is_there(name):
    """What comes before the cut is given out, and the rest will be once the file is repaired."""
    good, error = read_until_damage(name, PACKED[name](DATA)[:-9])
    assert DATA.startswith(good)
    assert "run again" in error.hint


@pytest.mark.parametrize("name", PACKED)
def test_junk_behind_a_packed_file_is_damage(name):
    """What follows the packed content is not passed over in silence."""
    good, _ = read_until_damage(name, PACKED[name](DATA) + b"junk")
    assert good == DATA


def with_check(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


@pytest.mark.parametrize(("name", "pack"), [("a.gz", gzip.compress), ("a.zst", with_check)])
def test_changed_bytes_are_not_trusted(name, pack):
    """Where a checksum fails, what was read before may be wrong, and the error says so."""
    packed = bytearray(pack(DATA))
    packed[90_000] ^= 1
    _, error = read_until_damage(name, bytes(packed))
    assert "may be wrong" in error.hint


@pytest.mark.parametrize("name", PACKED)
def test_an_empty_packed_file_is_damaged(name):
    """Nothing is not a packed nothing."""
    with pytest.raises(DamageError, match="ends too early"):
        list(unpack(pieces(b""), name))


@pytest.mark.parametrize("size", [100, 1 << 16])
def test_members_of_an_archive(size):
    """Files of an archive come in its order, each whole."""
    files = {"b/one.json": DATA, "a/two.json": b"", "c": b"x" * 512}
    assert list(read_members(tar(files), size).items()) == list(files.items())


def test_members_may_be_passed_over():
    """A member that is not read does not disturb the next."""
    data = tar({"one": DATA, "two": b"two"})
    assert [b"".join(content) for name, content in members(pieces(data, 999), "a.tar") if name == "two"] == [b"two"]


def test_repeated_member_names_stay_apart():
    """Two members of one name are two partitions."""
    data = tar({"one": b"1"})[:1024] + tar({"one": b"2"})
    assert read_members(data) == {"one": b"1", "one#2": b"2"}


@pytest.mark.parametrize("cut", [700, 1024, 1200, 1536 + 700])
def test_a_cut_archive_is_damaged(cut):
    """An archive without its end is an error, not a shorter archive."""
    data = tar({"one": b"x" * 500, "two": b"y" * 600})[:cut]
    with pytest.raises(DamageError, match="is damaged"):
        read_members(data)


def test_a_damaged_header_is_no_end():
    """A header that cannot be read is not taken for the end of the archive."""
    data = bytearray(tar({"one": b"x" * 500, "two": b"y"}))
    data[1024 + 10] ^= 1
    with pytest.raises(DamageError, match="header"):
        read_members(bytes(data))


def test_names_that_say_archive():
    """Archives are known by their names."""
    names = ["a.tar", "a.tar.gz", "A.TGZ", "a.tar.zst", "a.gz", "tar"]
    assert [is_archive(name) for name in names] == [True, True, True, True, False, False]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("text", ["", "a", "ab", "abc", "abcd"])
def test_a_byte_order_mark_is_dropped(text, size):
    """The mark at the beginning is no data; the same bytes later are."""
    data = b"\xef\xbb\xbf" + text.encode() + b"\xef\xbb\xbf"
    assert b"".join(without_mark(pieces(data, size))) == data[3:]


@pytest.mark.parametrize(("name", "kind"), [("a.gz", "gzip"), ("a.zst", "zstd")])
def test_what_was_never_packed_is_said(name: str, kind: str):
    """A plain file under the name of a packed one."""
    read, error = read_until_damage(name, b'{"id": 1}\n')
    assert (read, error.message) == (b"", f"{name} is damaged at unpacked byte 0: it is not {kind}")


def test_skipping_keeps_the_tail():
    """Passing over bytes tells how many there were, what the last of them are, and the digest of all."""
    passed, tail, digest, rest = skip(pieces(DATA, 77), 1000, 256, zlib.crc32)
    assert (passed, tail, b"".join(rest)) == (1000, DATA[744:1000], DATA[1000:])
    assert digest == zlib.crc32(DATA[:1000])


def test_skipping_past_the_end():
    """There may be fewer bytes than are to be passed over."""
    passed, tail, _, rest = skip(pieces(b"abc"), 10, 2, zlib.crc32)
    assert (passed, tail, list(rest)) == (3, b"bc", [])
