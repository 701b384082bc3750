"""The page of figures says what the benchmarks' results say."""

import json

from bench import experiment_page, figures


def test_the_page_is_the_results():
    """`python -m bench.figures` would write the page as it is."""
    assert figures.PAGE.read_text(encoding="utf-8") == figures.page()


def test_the_pictures_are_the_results():
    """Those of soaks, beside the page."""
    drawn = {path.name: path.read_text(encoding="utf-8") for path in figures.PAGE.parent.glob("soak-*.svg")}
    assert drawn == figures.pictures()


def test_the_experiment_is_its_results():
    """`python -m bench.experiment_page` would write the page as it is."""
    found = json.loads(experiment_page.RESULT.read_text(encoding="utf-8"))
    assert experiment_page.PAGE.read_text(encoding="utf-8") == experiment_page.page(found, figures.results())
