"""The cost report, and what a change keeps."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from crossfoot.definition.changes import compare
from crossfoot.definition.expression import Path
from crossfoot.definition.load import load_text
from crossfoot.definition.messages import EXAMPLE
from crossfoot.definition.model import DAY_US, Acceptance, Field, FieldType, Limits, ParquetFolder, Preprocess
from crossfoot.definition.plan import plan
from tests.unit.definition.definitions import definitions

OLD = replace(load_text(EXAMPLE), tests=())
METRIC = OLD.metrics[0]


def accept(**changed) -> Acceptance:
    return replace(OLD.accept, **changed)


def changed(**parts):
    """Outcome by part."""
    return {change.what: change.outcome for change in compare(OLD, replace(OLD, **parts))}


def test_sets_inside_others_are_derived():
    """Three sets and three grains are nine cells for an event, and one addition."""
    found = plan(OLD)
    assert found.metrics[0].folded == (("country", "kind"),)
    assert (found.cells_per_event, found.folds_per_event) == (9, 1)


def test_ids_live_for_the_horizon_and_a_bucket():
    """2 days and a bucket of 6 hours at 1,000 a second, 40 bytes each."""
    ids = plan(OLD, 1000).ids
    assert (ids.live, ids.live_bytes) == (194_400_000, 7_776_000_000)
    assert ids.full_after is None


def test_an_unbounded_horizon_grows_for_ever():
    """What it costs is said by day, and when the limit is reached."""
    found = plan(load_text(EXAMPLE.replace("lateness: 2d, ", "").replace("    retain: {1m: 7d}\n", "")), 1000)
    assert (found.ids.live, found.ids.per_day, found.ids.bytes_per_day) == (None, 86_400_000, 3_456_000_000)
    assert found.ids.full_after == "4d 15h"
    assert any("3,456.0 MB more every day" in note for note in found.notes)


def test_a_small_limit_is_reached():
    """Ids that do not fit are told before the run."""
    assert plan(replace(OLD, limits=Limits(ids_max=1_000_000)), 1000).ids.full_after == "16m 40s"


def test_engines_say_why_not():
    """Those of this build run it; the others are named with their reason."""
    answers = {answer.name: answer for answer in plan(OLD).engines}
    assert [name for name, answer in answers.items() if answer.runs] == ["reference", "embedded", "batch"]
    assert "not in this build" in answers["flink"].why
    assert answers["beam"].why.startswith("sinks: no Bigtable table is named")


def test_fields_that_nobody_reads_are_named():
    """They cost bytes and can make conflicts."""
    assert any(note.endswith("conflict: ratio") for note in plan(OLD).notes)


@settings(max_examples=30)
@given(definitions())
def test_every_definition_has_a_plan(definition):
    """Any valid definition can be planned, and equals itself."""
    assert plan(definition).cells_per_event >= plan(definition).folds_per_event > 0
    assert {change.outcome for change in compare(definition, definition)} == {"kept"}


@pytest.mark.parametrize(
    ("parts", "outcomes"),
    [
        ({"limits": Limits(depth_max=5), "tests": ()}, {"metrics.visits": "kept"}),
        (
            {"accept": accept(lateness_us=3 * DAY_US, horizon_us=3 * DAY_US)},
            {"accept.lateness": "continued", "accept.horizon": "continued", "metrics.visits": "kept"},
        ),
        ({"accept": accept(horizon_us=None)}, {"accept.horizon": "continued", "metrics.visits": "kept"}),
        ({"accept": accept(lateness_us=DAY_US)}, {"accept.lateness": "rebuilt", "metrics.visits": "rebuilt"}),
        ({"accept": accept(future_us=1)}, {"accept": "rebuilt", "metrics.visits": "rebuilt"}),
        ({"accept": accept(bucket_us=DAY_US)}, {"accept.bucket": "kept", "metrics.visits": "kept"}),
        (
            {"event": replace(OLD.event, fields=(*OLD.event.fields, Field("more", Path(("m",)))))},
            {"event.fields.more": "continued", "metrics.visits": "kept"},
        ),
        (
            {"event": replace(OLD.event, fields=OLD.event.fields[:-1])},
            {"event.fields.ratio": "rebuilt", "metrics.visits": "rebuilt"},
        ),
        (
            {
                "event": replace(
                    OLD.event, fields=(*OLD.event.fields[:-1], Field("ratio", Path(("ratio",)), FieldType("text")))
                )
            },
            {"event.fields.ratio": "rebuilt", "metrics.visits": "rebuilt"},
        ),
        ({"event": replace(OLD.event, where=None)}, {"event.where": "rebuilt", "metrics.visits": "rebuilt"}),
        (
            {"preprocess": Preprocess(explode=("items",))},
            {"preprocess.explode": "rebuilt", "metrics.visits": "rebuilt"},
        ),
        ({"preprocess": Preprocess(key="kind"), "sinks": (ParquetFolder("out"),)}, {"metrics.visits": "kept"}),
        ({"namespace": "other"}, {"namespace": "impossible", "metrics.visits": "rebuilt"}),
        ({"metrics": (METRIC, replace(METRIC, name="new"))}, {"metrics.visits": "kept", "metrics.new": "rebuilt"}),
        ({"metrics": (replace(METRIC, name="new"),)}, {"metrics.new": "rebuilt", "metrics.visits": "kept"}),
        ({"metrics": (replace(METRIC, where=None),)}, {"metrics.visits": "rebuilt"}),
    ],
)
def test_what_a_change_keeps(parts, outcomes):
    """Kept, continued, rebuilt or impossible, part by part."""
    assert changed(**parts) == outcomes


def test_a_change_names_the_part_of_the_metric():
    """The reason says what differs."""
    change = compare(OLD, replace(OLD, metrics=(replace(METRIC, where=None, sets=((),)),)))[0]
    assert change.why.startswith("changed in where, by;")


def test_a_bound_on_values_is_a_note_and_nothing_is_derived():
    """Each set decides for itself which values it keeps; another bound is another metric."""
    bounded = replace(METRIC, values_max=1000)
    found = plan(replace(OLD, metrics=(bounded,)))
    assert found.metrics[0].folded == METRIC.sets
    assert any("1,000 combinations" in note for note in found.notes)
    assert changed(metrics=(bounded,))[f"metrics.{METRIC.name}"] == "rebuilt"
