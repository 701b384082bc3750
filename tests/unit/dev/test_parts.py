"""Parts: made once by the usual clients, kept whole, shared by all."""

import subprocess
import sys
from pathlib import Path

import pytest

from crossfoot.dev import parts
from crossfoot.dev.parts import BIGTABLE, EMULATORS, GO, KAFKA, PARTS, PUBSUB, Part, cache_folder, ensure, kept
from crossfoot.dev.tools import dotted
from crossfoot.errors import CallError, ServiceError

# Writes where it is told, appends a line to a list of calls, fails if told so.
MAVEN = """
echo "$@" >> "{calls}"
[ "$2" = -version ] || [ "$1" = --batch-mode ] || exit 9
case "$*" in
  *-version*) echo "Apache Maven 3.9.1"; exit 0 ;;
esac
for word; do case "$word" in -DoutputDirectory=*) touch "${{word#*=}}/kafka.jar" ;; esac; done
{end}
"""


def maven(programs, tmp_path: Path, end: str = "exit 0") -> Path:
    """A client that makes a jar; the file in which its calls are listed."""
    calls = tmp_path / "calls"
    programs.says("java", "17.0.1")
    programs.add("mvn", MAVEN.format(calls=calls, end=end))
    return calls


def makings(calls: Path) -> int:
    return sum("copy-dependencies" in line for line in calls.read_text().splitlines())


def test_a_part_is_made_once(programs, tmp_path):
    """The second time nothing is called."""
    calls = maven(programs, tmp_path)
    places = [ensure(KAFKA, tmp_path / "cache") for _ in range(2)]
    assert (places[0], makings(calls)) == (places[1], 1)
    assert [file.name for file in places[0].iterdir()] == ["kafka.jar"]


def test_the_version_is_in_the_path(tmp_path):
    """So a newer release of ours makes its own."""
    assert all(f"{part.name}-{part.version}-" in part.folder for part in PARTS)


def test_another_recipe_is_another_folder(tmp_path):
    """Also if no version was changed."""
    (tmp_path / "pom.xml").write_text("<project/>")
    other = Part("kafka", KAFKA.version, "", tmp_path, (), KAFKA.make)
    assert other.folder != KAFKA.folder


def test_what_failed_leaves_nothing(programs, tmp_path):
    """The reason is the client's first line; the next call makes it anew."""
    maven(programs, tmp_path, end='echo "[ERROR] no such artifact"; exit 1')
    with pytest.raises(ServiceError, match=r"the Kafka broker could not be fetched by mvn: \[ERROR\] no such artifact"):
        ensure(KAFKA, tmp_path / "cache")
    assert kept(KAFKA, tmp_path / "cache") is None
    maven(programs, tmp_path)
    assert ensure(KAFKA, tmp_path / "cache").is_dir()


def test_what_a_killed_process_left_is_no_part(programs, tmp_path):
    """A half-made folder is thrown away."""
    maven(programs, tmp_path)
    half = tmp_path / "cache" / f"{KAFKA.folder}.new"
    half.mkdir(parents=True)
    (half / "half.jar").touch()
    assert [file.name for file in ensure(KAFKA, tmp_path / "cache").iterdir()] == ["kafka.jar"]


def test_processes_that_want_it_at_once_make_it_once(programs, tmp_path):
    """All wait for the first."""
    calls = maven(programs, tmp_path)
    code = "from crossfoot.dev.parts import *; print(ensure(KAFKA, Path(r'%s')))" % (tmp_path / "cache")
    several = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=60)[0].strip() for process in several}
    assert (said, makings(calls)) == ({str(tmp_path / "cache" / KAFKA.folder)}, 1)


@pytest.mark.parametrize(
    ("part", "there", "line", "how"),
    [
        (KAFKA, {}, "the Kafka broker needs java 17 or newer: there is none", "apt install openjdk-17-jre-headless"),
        (KAFKA, {"java": "11.0.2"}, "the Kafka broker needs java 17 or newer: there is 11.0.2", "openjdk"),
        (KAFKA, {"java": "17.0.2"}, "the Kafka broker needs mvn 3.6 or newer: there is none", "apt install maven"),
        (PUBSUB, {}, "the Pub/Sub emulator needs go 1.26 or newer: there is none", "https://go.dev/doc/install"),
        (BIGTABLE, {"go": "1.19.8"}, "the Bigtable emulator needs go 1.26 or newer: there is 1.19.8", "go.dev"),
    ],
)
def test_a_missing_tool_is_one_line_with_the_way_to_get_it(programs, tmp_path, part, there, line, how):
    """Before anything is fetched."""
    for name, version in there.items():
        programs.says(name, version)
    with pytest.raises(CallError) as caught:
        ensure(part, tmp_path / "cache")
    assert str(caught.value) == line
    assert how in caught.value.hint
    assert not (tmp_path / "cache").exists()


def test_a_part_that_is_there_needs_no_tool(programs, tmp_path):
    """It was made before, or brought by hand."""
    (tmp_path / PUBSUB.folder).mkdir()
    assert ensure(PUBSUB, tmp_path) == tmp_path / PUBSUB.folder


def test_a_cache_that_cannot_be_written_is_named(programs, tmp_path):
    """With the setting that names another."""
    maven(programs, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CallError, match=r"the Kafka broker cannot be kept in .*file/cache: not a directory") as caught:
        ensure(KAFKA, tmp_path / "file" / "cache")
    assert "CROSSFOOT_PARTS" in caught.value.hint


def test_where_parts_are_kept():
    """The setting, then the user's cache folder, then the usual one; relative ones do not count."""
    assert cache_folder({"CROSSFOOT_PARTS": "/a/b", "XDG_CACHE_HOME": "/c"}) == Path("/a/b")
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/crossfoot")
    assert cache_folder({"XDG_CACHE_HOME": "c"}) == cache_folder({}) == Path.home() / ".cache" / "crossfoot"


def test_versions_stand_in_the_recipes():
    """The names of the folders and the wanted Go say what the files say."""
    module, pom = (EMULATORS / "go.mod").read_text(), (parts.HERE / "kafka" / "pom.xml").read_text()
    assert f"cloud.google.com/go/pubsub/v2 v{PUBSUB.version}\n" in module
    assert f"cloud.google.com/go/bigtable v{BIGTABLE.version} // indirect\n" in module
    assert f"\ngo {dotted(GO.least)}." in module
    assert f"<version>{KAFKA.version}</version>" in pom
