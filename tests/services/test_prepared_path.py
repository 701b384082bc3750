"""From a topic through preprocess into another topic, and counted from there: the same cells as counted directly."""

import gzip
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import cell_table
from crossfoot.event import CellTable
from crossfoot.native import open_reader
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.services.run import Job, Watch
from crossfoot.services.run import run as count_files
from crossfoot.settings import Settings
from crossfoot.sources.kafka import topics_of
from tests.needs import shared_data
from tests.services.broker import Broker
from tests.services.preparing import QUICK, Stage, end, reached, running, shared_by

EVENT = """
crossfoot: 1
namespace: wikipedia
source: {source}
event:
  time: {{field: time, unit: iso}}
  received: {received}
  id: [time, page, user]
  fields:
    page: {{path: page, type: text}}
    channel: {{path: channel, type: text}}
    robot: {{path: isRobot, type: boolean}}
    added: {{path: added, type: integer}}
    delta: {{path: delta}}
metrics:
  edits:
    by: [[], [channel, robot], [page]]
    measures: {{edits: count, added: sum(added), deltas: count(delta)}}
    grains: [1h, all]
{more}
"""
LATE = "accept: {lateness: 10000d}"


def tables(store: Path, text: str) -> list[CellTable]:
    """Every cell of a store."""
    definition, reader = load_text(text), open_reader(store)
    places = [(0, by, grain) for by in range(3) for grain in range(2)]
    return [cell_table(reader, definition, place) for place in places]


@pytest.mark.parametrize("blocks", ["false", "true"])
def test_edits_of_wikipedia_are_the_same_cells(broker: Broker, tmp_path: Path, project: Path, blocks: str) -> None:
    """While processes that prepare are killed, and records come twice."""
    packed = shared_data("wikipedia-edits/wikiticker-2015-09-12-sampled.json.gz")
    lines = gzip.decompress(packed.read_bytes()).splitlines()
    stage = Stage(broker, partitions=3)
    kafka = f'{{kafka: {{topic: "{stage.name}", bootstrap.servers: "{broker.bootstrap}", session.timeout.ms: 6000}}}}'
    to = f'preprocess: {{to: {{kafka: {{topic: "{stage.name}.prepared"}}}}, blocks: {blocks}}}'
    stage.text = EVENT.format(source=kafka, received="broker", more=f"{LATE}\n{to}")
    stage.text = stage.text.replace("namespace: wikipedia", f"namespace: wikipedia-{blocks}")
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
    counted = EVENT.format(source=source, received="carried", more=LATE)
    counted = counted.replace("namespace: wikipedia", f"namespace: wikipedia-{blocks}")
    definition = load_text(counted)
    run_live(LiveJob(definition, tmp_path / "live", topics_of(definition, {}), once=True), QUICK, LiveWatch())

    direct = EVENT.format(source=f"{{files: '{packed}'}}", received="none", more="")
    count_files(Job(load_text(direct), tmp_path / "direct", tmp_path, tmp_path), Settings(), Watch())
    assert tables(tmp_path / "live", counted) == tables(tmp_path / "direct", direct)
