"""Files that are counted to their end beside sources that have none."""

from crossfoot.definition.load import load_text
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.reading import reading_of
from crossfoot.sources.whole_files import WholeFiles, WholeFilesInput
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import CLICKS, stop_in_an_archive


def test_an_archive_goes_on_behind_a_member_that_was_finished(tmp_path):
    """What an earlier run did not come to is read."""
    assert stop_in_an_archive(tmp_path).outcome.stopped
    known = {each["name"]: each for each in EmbeddedStore(tmp_path / "store").meta["partitions"]}
    assert {name: each["live"] for name, each in known.items()} == {"a.tar!one": False, "a.tar!two": True}
    source = WholeFilesInput(
        WholeFiles("files", ("a.tar",), Place(tmp_path, tmp_path)), reading_of(load_text(CLICKS), Settings())
    )
    assert [name for name, _ in source.open(known)] == ["a.tar!two"]
