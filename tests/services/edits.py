"""Wikipedia's edits on their way, and every cell that is counted of them."""

from pathlib import Path

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import cell_table
from crossfoot.event import CellTable
from crossfoot.native import open_reader
from crossfoot.services.run import Job, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from tests.services.way import Events

EDITS = Events(
    """
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
    measures: {{edits: count, added: sum(added), most: max(added), deltas: count(delta)}}
    grains: [15m, 1d America/Los_Angeles, all]
{more}
""",
    "broker",
    "accept: {lateness: 10000d}",
)


def tables(store: Path, text: str) -> list[CellTable]:
    """Every cell of a store."""
    definition, reader = load_text(text), open_reader(store)
    (metric,) = definition.metrics
    places = [(0, by, grain) for by in range(len(metric.sets)) for grain in range(len(metric.grains))]
    return [cell_table(reader, definition, place) for place in places]


def tables_of(lines: list[bytes], name: str, folder: Path) -> list[CellTable]:
    """The same, counted from a file of the lines."""
    (folder / "edits.json").write_bytes(b"\n".join(lines))
    text = EDITS.at(name, "{files: edits.json}", "none")
    run(Job(load_text(text), folder / "direct", folder, folder), Settings(), Watch())
    return tables(folder / "direct", text)
