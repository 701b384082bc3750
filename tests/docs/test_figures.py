"""The page of figures says what the benchmarks' results say."""

import json

from bench import experiment_page, figures, scale


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


def test_the_model_of_scale_is_near_what_was_measured():
    """`python -m bench.scale` would write the page as it is; no figure of the model is off by more than a quarter."""
    found = json.loads(scale.RESULT.read_text(encoding="utf-8"))
    assert scale.PAGE.read_text(encoding="utf-8") == scale.page(found)
    pairs = [(each["model"][name], each["measured"][name]) for each in found["sizes"] for name in scale.NAMES]
    assert all(abs(model / measured - 1) <= 0.25 for model, measured in pairs)
