"""Which partitions a list of inputs stands for."""

import io
import os
import re
import tarfile
from pathlib import Path

import pytest

from crossfoot.errors import DataError, StoreError
from crossfoot.sources.files import Place, discover
from crossfoot.sources.partition import Identity


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.json", "a.json", "logs/2.json", "logs/1.json", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'{{"file": "{name}"}}\n')
    return tmp_path


def names(inputs: list[str], folder: Path, **place) -> list[str]:
    return [partition.name for partition in discover(inputs, Place(folder, folder, **place)).partitions]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["a.json"], ["a.json"]),
        (["b.json", "a.json"], ["a.json", "b.json"]),
        (["*.json"], ["a.json", "b.json"]),
        (["**/*.json"], ["a.json", "b.json", "logs/1.json", "logs/2.json"]),
        (["logs"], ["logs/1.json", "logs/2.json"]),
        (["."], ["a.json", "b.json", "logs/1.json", "logs/2.json"]),
        (["a.json", "./logs/../a.json", "a.*"], ["a.json"]),
    ],
)
def test_inputs_are_files_in_a_fixed_order(folder, inputs, expected):
    """Paths, patterns and folders stand for files, each once, sorted; hidden files are left out of folders."""
    assert names(inputs, folder) == expected


def test_names_do_not_depend_on_the_working_directory(folder):
    """A file is named from the definition's folder, wherever it is asked for from."""
    assert discover(["1.json"], Place(folder / "logs", folder)).partitions[0].name == "logs/1.json"


def test_names_do_not_depend_on_how_the_folder_is_written(folder):
    """By `..` or through a link, it is the definition's folder."""
    (folder / "link").symlink_to(folder / "logs")
    for home in (folder / "logs" / "..", folder / "link" / ".." / "logs" / "..", folder):
        assert discover(["a.json"], Place(folder, home)).partitions[0].name == "a.json"
    assert discover(["1.json"], Place(folder / "logs", folder / "link")).partitions[0].name == "1.json"
    left_out = (folder / "logs" / ".." / "a.json", folder / "logs", folder / "link")
    assert names(["."], folder, leave_out=left_out) == ["b.json"]


def test_files_elsewhere_are_named_absolutely(folder):
    """A file outside of the definition's folder has its whole path as its name."""
    assert discover(["a.json"], Place(folder, folder / "logs")).partitions[0].name == f"{folder}/a.json"


def test_folders_leave_out_what_is_no_data(folder):
    """The definition and the store may lie among the data."""
    (folder / "store").mkdir()
    (folder / "store" / "HEAD").write_text("")
    assert names(["."], folder, leave_out=(folder / "a.json", folder / "store", folder / "logs")) == ["b.json"]


def test_a_pattern_may_be_a_name(folder):
    """A file whose name looks like a pattern is found by its name."""
    (folder / "a[1].json").write_text("")
    assert names(["a[1].json"], folder) == ["a[1].json"]


def test_a_name_need_not_be_valid_text(folder):
    """Bytes of a name that are no UTF-8 are written as escapes."""
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.json")).write_text("")
    assert names(["*\udcff*"], folder) == ["\\xff.json"]


@pytest.mark.parametrize(
    ("inputs", "message", "hint"),
    [
        (["c.json"], "there is no file c.json", "did you mean [ab].json?"),
        (["no/c.json"], "there is no file no/c.json", "there is no folder"),
        (["*.gz"], "no file matches \\*.gz", "it was looked for in"),
        (["empty"], "the folder .*empty holds no files", "a pattern"),
    ],
)
def test_nothing_found_is_an_error(folder, inputs, message, hint):
    """What is not there is said, with the next step."""
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=message) as caught:
        names(inputs, folder)
    assert re.search(hint, caught.value.hint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error(folder):
    """A file that may not be read is named."""
    (folder / "a.json").chmod(0)
    with pytest.raises(DataError, match=r"cannot read a.json: Permission denied"):
        names(["a.json"], folder)


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def test_members_of_an_archive_are_partitions(tmp_path):
    """Each file of an archive is a partition, in the archive's order."""
    archive(tmp_path / "all.tar.gz", {"day/2": b"2", "day/1": b"1"})
    assert names(["all.tar.gz"], tmp_path) == ["all.tar.gz!day/2", "all.tar.gz!day/1"]


def test_an_empty_archive_is_an_error(tmp_path):
    """An archive without files has nothing to count."""
    archive(tmp_path / "all.tar.gz", {})
    with pytest.raises(DataError, match=r"the archive all.tar.gz holds no files"):
        names(["all.tar.gz"], tmp_path)


def test_a_stream_is_known_by_its_first_bytes(tmp_path):
    """The same stream given again is the same partition; another one is another."""

    def name(data: bytes) -> str:
        return discover(["-"], Place(tmp_path, tmp_path), io.BytesIO(data)).partitions[0].name

    assert name(b"x" * 5000) == name(b"x" * 6000)
    assert name(b"x" * 5000) != name(b"y" * 5000)


def test_a_pipe_is_a_stream(tmp_path):
    """A named pipe has no position to come back to."""
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(end, b"{}\n" + b" " * 4096)
    inputs = discover(["pipe"], Place(tmp_path, tmp_path))
    (partition,) = inputs.partitions
    for open_end in (*inputs.streams.values(), os.fdopen(end)):
        open_end.close()
    assert partition.stream
    assert partition.name.startswith("pipe@")


def test_identity_survives_growth():
    """A file that grew is the same file, whether its beginning was short or not."""
    for length in (0, 10, 4096):
        identity = Identity.parse(str(Identity.of(5, b"x" * length)))
        assert identity.fits(b"x" * length + b"more")


def test_an_identity_of_something_else_is_refused():
    """A store whose inputs were no files is not continued with files."""
    with pytest.raises(StoreError, match="an input of the store was no file: a"):
        Identity.parse("a")


def test_identity_sees_other_content():
    """A file with another beginning is another file."""
    assert not Identity.of(5, b"abc").fits(b"abd")
    assert not Identity.of(5, b"abc").fits(b"ab")
