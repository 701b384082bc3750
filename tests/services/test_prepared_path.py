"""From a topic through preprocess into another topic, and counted from there: the same cells as counted directly."""

from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.sources.kafka import topics_of
from tests.real.data import edits
from tests.services.broker import Broker
from tests.services.edits import EDITS, tables, tables_of
from tests.services.preparing import QUICK, Stage, end, reached, running, shared_by


@pytest.mark.parametrize("blocks", ["false", "true"])
def test_edits_of_wikipedia_are_the_same_cells(broker: Broker, tmp_path: Path, project: Path, blocks: str) -> None:
    """While processes that prepare are killed, and records come twice."""
    lines, stage = edits(), Stage(broker, partitions=3)
    kafka = f'{{kafka: {{topic: "{stage.name}", bootstrap.servers: "{broker.bootstrap}", session.timeout.ms: 6000}}}}'
    to = f'preprocess: {{to: {{kafka: {{topic: "{stage.name}.prepared"}}}}, blocks: {blocks}}}'
    stage.text = EDITS.at(f"wikipedia-{blocks}", kafka, EDITS.received, f"{EDITS.accept}\n{to}")
    for part in range(3):
        stage.put(*lines[part::3], *lines[part : len(lines) // 10 : 3], partition=(part + 1) % 3)

    with running(stage, project) as first, running(stage, project) as second:
        shared_by(stage, 2)
        reached(stage, len(lines) // 2)
        first.kill()
        end(second)
    totals = stage.prepare().totals
    assert (totals.out, totals.unaccounted) == (len(lines) + len(range(len(lines) // 10)), 0)

    source = f'{{kafka: {{topic: "{stage.name}.prepared", bootstrap.servers: "{broker.bootstrap}"}}, format: prepared}}'
    counted = EDITS.at(f"wikipedia-{blocks}", source, "carried", EDITS.accept)
    definition = load_text(counted)
    run_live(LiveJob(definition, tmp_path / "live", topics_of(definition, {}), once=True), QUICK, LiveWatch())
    assert tables(tmp_path / "live", counted) == tables_of(lines, f"wikipedia-{blocks}", tmp_path)
