"""Files that are counted to their end beside sources that have none."""

import io
import tarfile

from crossfoot.definition.load import load_text
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.reading import reading_of
from crossfoot.sources.whole_files import WholeFiles, WholeFilesInput
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import CLICKS, click, count, lines


def test_an_archive_goes_on_behind_a_member_that_was_finished(tmp_path):
    """What an earlier run did not come to is read."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, numbers in (("one", range(1)), ("two", range(1, 3000))):
            data = lines([click(number) for number in numbers])
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    goes_on = iter([True] * 2)
    stop = Watch(stop=lambda: not next(goes_on, False))
    assert count(tmp_path, inputs=["a.tar"], settings=Settings(block_bytes=1 << 10), watch=stop).outcome.stopped
    known = {each["name"]: each for each in EmbeddedStore(tmp_path / "store").meta["partitions"]}
    assert {name: each["live"] for name, each in known.items()} == {"a.tar!one": False, "a.tar!two": True}
    source = WholeFilesInput(
        WholeFiles("files", ("a.tar",), Place(tmp_path, tmp_path)), reading_of(load_text(CLICKS), Settings())
    )
    assert [name for name, _ in source.open(known)] == ["a.tar!two"]
