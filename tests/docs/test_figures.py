"""The page of figures says what the benchmarks' results say."""

from bench import figures


def test_the_page_is_the_results():
    """`python -m bench.figures` would write the page as it is."""
    assert figures.PAGE.read_text(encoding="utf-8") == figures.page()


def test_the_pictures_are_the_results():
    """Those of soaks, beside the page."""
    drawn = {path.name: path.read_text(encoding="utf-8") for path in figures.PAGE.parent.glob("soak-*.svg")}
    assert drawn == figures.pictures()
