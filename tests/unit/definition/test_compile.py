"""The plan that the native core reads."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from crossfoot.definition.compile import compile_plan
from crossfoot.definition.load import load_text
from crossfoot.definition.messages import EXAMPLE
from crossfoot.definition.model import Acceptance, FileSource, Format, Limits, Preprocess
from tests.unit.definition.definitions import definitions

DEFINITION = load_text(EXAMPLE)
FROM_THE_STORE = {"number"}
"""What a plan has only when a store goes on under it."""

OF_PREPARED = {"guard"}
"""What a plan has only where prepared events are read."""
OF_BOUNDS = {"values_max"}
"""What a metric has only where its dimension values are bounded: other plans stay as they were."""


def plan(definition=DEFINITION):
    return json.loads(compile_plan(definition))


def names_in_rust(project: Path, struct: str) -> set[str]:
    """The keys of a struct of plan.rs, as serde reads them."""
    text = (project / "crates/core/src/plan.rs").read_text(encoding="utf-8")
    body = re.search(rf"pub struct {struct} \{{(.*?)\n\}}", text, re.DOTALL)
    assert body
    found = re.findall(r'(?:#\[serde\(rename = "(\w+)"\)\]\s*)?pub (\w+):', body[1])
    return {renamed or name for renamed, name in found}


@pytest.mark.parametrize(
    ("struct", "part"),
    [
        ("Plan", lambda found: found),
        ("Input", lambda found: found["input"]),
        ("Time", lambda found: found["time"]),
        ("Field", lambda found: found["fields"][0]),
        ("Accept", lambda found: found["accept"]),
        ("Metric", lambda found: found["metrics"][0]),
        ("Measure", lambda found: found["metrics"][0]["measures"][0]),
        ("Grain", lambda found: found["metrics"][0]["grains"][0]),
        ("Limits", lambda found: found["limits"]),
    ],
)
def test_keys_are_those_of_the_core(project, struct, part):
    """Each object of the plan has the keys of the core's struct."""
    assert set(part(plan())) == names_in_rust(project, struct) - FROM_THE_STORE - OF_PREPARED - OF_BOUNDS


def test_names_become_indices():
    """Paths in order of first use; fields by their place."""
    found = plan()
    assert found["paths"][:5] == [["ts"], ["received_at"], ["client"], ["seq"], ["action"]]
    assert (found["time"]["path"], found["received"]["path"], found["id"]) == (0, 1, {"fields": [2, 3]})
    assert found["fields"][0]["expression"] == ["lower", ["path", 4]]
    assert (found["where"], found["where_fields"]) == (["ne", ["field", 0], ["text", "test"]], [0])
    assert found["metrics"][0]["sets"] == [[1], [1, 0], []]


def test_defaults_are_literals():
    """A default is a literal node of its type."""
    assert plan()["fields"][1]["default"] == ["text", "ZZ"]


def test_zones_travel_with_the_plan():
    """Every named zone is there, as a TZif file."""
    assert {name: base64.b64decode(data)[:4] for name, data in plan()["zones"].items()} == {"Europe/Paris": b"TZif"}


def test_the_hash_is_of_what_is_counted():
    """Limits, tests and the place of the files are no part of it; everything else is."""
    same = replace(DEFINITION, limits=Limits(depth_max=5), tests=(), sources=(FileSource(("elsewhere",)),))
    assert plan(same)["hash"] == plan()["hash"]
    others = [
        replace(DEFINITION, namespace="other"),
        replace(DEFINITION, sources=(FileSource(("a",), Format("csv")),)),
        replace(DEFINITION, accept=replace(DEFINITION.accept, future_us=1)),
        replace(DEFINITION, metrics=(replace(DEFINITION.metrics[0], where=None),)),
    ]
    assert len({plan(other)["hash"] for other in others} | {plan()["hash"]}) == 5


@pytest.mark.parametrize(
    ("received", "keys"),
    [
        (None, (None, "none")),
        ("broker", ("given", "ordered")),
        ("ingest", ("given", "ordered")),
        ("carried", ("given", "carried")),
    ],
)
def test_a_stamp_that_comes_beside_the_record_is_given(received, keys):
    """The plan says by which rule it is taken."""
    event, accept = (
        replace(DEFINITION.event, received=received),
        Acceptance(transport_us=1 if received == "carried" else 0),
    )
    metrics = (replace(DEFINITION.metrics[0], grains=DEFINITION.metrics[0].grains[1:]),)
    found = plan(replace(DEFINITION, sources=(), event=event, accept=accept, metrics=metrics))
    assert (found["received"], found["stamps"]) == keys


def test_a_field_that_holds_the_stamp_is_a_time():
    """And records are not exploded unless it is said."""
    assert (plan()["received"]["path"], plan()["stamps"], plan()["explode"]) == (1, "field", None)


def test_the_plan_says_how_elements_are_known():
    """By an id of their own where the id names something in the list, else by their place."""
    inside = replace(DEFINITION, preprocess=Preprocess(explode=("client",)))
    outside = replace(DEFINITION, preprocess=Preprocess(explode=("items", "all")))
    assert plan(inside)["explode"] == {"path": ["client"], "own_id": True}
    assert plan(outside)["explode"] == {"path": ["items", "all"], "own_id": False}
    assert len({plan(each)["hash"] for each in (DEFINITION, inside, outside)}) == 3


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(definition=definitions())
def test_the_core_reads_every_plan(tmp_path_factory, definition):
    """Any valid definition makes a plan that the core accepts."""
    core = pytest.importorskip("crossfoot._core", reason="the native extension is not built (make setup)")
    engine = core.Engine(str(tmp_path_factory.mktemp("store")), compile_plan(definition), "{}")
    engine.abandon()
