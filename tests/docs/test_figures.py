"""The page of figures says what the benchmarks' results say."""

import json

import pytest

from bench import experiment_page, figures, scale, scale_of
from crossfoot.definition.load import load_text


def test_the_page_is_the_results():
    """`python -m bench.figures` would write the page as it is."""
    assert figures.PAGE.read_text(encoding="utf-8") == figures.page()


def test_the_guide_has_what_was_measured():
    """`python -m bench.figures` would write it as it is."""
    guide = figures.GUIDE.read_text(encoding="utf-8")
    assert figures.beam_guide(guide, figures.beam_result()) == guide


def test_figures_of_runners_stand_between_their_marks():
    run = {"events_per_s": 288_000, "cpu_ns_per_event": 4_000, "kernel_events_per_s": 850_000, "start_s": 9.5}
    machine = {"cpu": "a cpu", "cores": 2, "kernel": "6", "python": "3.12", "commit": "abc"}
    result = {"events": 2_000_000, "shards": 4, "runners": {"prism": run}, "machine": machine}
    text = f"before\n{figures.BEGIN}\nold\n{figures.END}\nbehind\n"
    found = figures.beam_guide(text, result)
    assert "| Prism | 288,000 | 4,000 | 850,000 | 9.5 |\n" in found
    assert (found.startswith("before\n"), found.endswith("\nbehind\n"), "old" in found) == (True, True, False)
    assert figures.beam_guide(found, result) == found


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


def test_the_model_takes_a_definition_of_ones_own(tmp_path, capsys, monkeypatch):
    """Ids, rows and writes of a metric without dimensions can be said by hand."""
    text = """
crossfoot: 1
namespace: own
event: {time: {field: at, unit: ms}, received: {field: got, unit: ms}, id: id, fields: {kind: {path: kind}}}
accept: {lateness: 30m, horizon: 45m}
metrics: {clicks: {by: [[], [kind]], measures: {clicks: count}, grains: [1h], retain: {1h: 30d}}}
"""
    (tmp_path / "own.yaml").write_text(text)
    asked = ["scale_of", str(tmp_path / "own.yaml"), "--rate", "1000", "--copies", "0", "--shards", "4", "--every", "1"]
    monkeypatch.setattr("sys.argv", [*asked, "--values", "kind=1"])
    scale_of.main()
    found = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    accept = load_text(text).accept
    ids = (45 * 60 * 1_000_000 + accept.bucket_us) // 1000
    assert int(found["ids of the horizon"].replace(",", "")) == ids
    assert float(found["their state, MB in each shard"].replace(",", "")) == round(ids * 28 / 4 / 1e6, 1)
    assert int(found["writes a second to Bigtable"]) == 2 * 4
    monkeypatch.setattr("sys.argv", asked)
    with pytest.raises(SystemExit):
        scale_of.main()
    assert "say --values kind=1000" in capsys.readouterr().err
