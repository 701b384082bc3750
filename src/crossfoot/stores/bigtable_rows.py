"""How cells lie in a Bigtable table: row keys, a column for each shard, versions as timestamps, and the row that says
what the table holds.

The key of a cell is `SALT/METRIC/BY/GRAIN/`, the values of its dimensions (in their own order, nulls first) and its
window, so the windows of one series lie side by side, and the series of a table in the order of their values. The salt,
of the values alone, spreads the series over the nodes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from crossfoot.stores.partials import GROUP, PARTIAL, WINDOW

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT = 1
FAMILY = "c"
KEY_BYTES_MAX = 4096
VALUE_BYTES_MAX = 100 * 1000 * 1000
ABOUT = b"#crossfoot"
"""The key of the row that says what the table holds; before those of all cells."""
GONE = b""
"""The value of a cell that is gone as of its version."""
HEAD, PLAN, STATE = "head", "plan", "state-"
SALTS = tuple(f"{salt:x}".encode() for salt in range(16))

_ALL_TIME = -(2**63)


class Cell(NamedTuple):
    """A value in a column; the highest version is the newest, whichever was written last."""

    column: str
    version: int
    value: bytes


class Row(NamedTuple):
    """Cells under a key."""

    key: bytes
    cells: Sequence[Cell]


class BigtableRows:
    """The rows of a plan's cells. Values are partial: those of the shards add up."""

    def __init__(self, plan: dict[str, Any]) -> None:
        names = [field["name"] for field in plan["fields"]]
        self._paths = {
            (metric, by, grain): _path(declared["name"], [names[at] for at in dims], shown["name"])
            for metric, declared in enumerate(plan["metrics"])
            for by, dims in enumerate(declared["sets"])
            for grain, shown in enumerate(declared["grains"])
        }

    @property
    def paths(self) -> Iterable[tuple[tuple[int, int, int], str]]:
        """Each stored table (metric, set, grain) and what its keys have behind the salt."""
        return self._paths.items()

    def path(self, metric: int, by: int, grain: int) -> str:
        """What the keys of a stored table have behind the salt."""
        return self._paths[metric, by, grain]

    def mutations(self, metric: int, by: int, grain: int, table: pa.Table, shard: int, version: int) -> Iterator[Row]:
        """A row for each row of a table with partial values, in its order. The same version again changes nothing."""
        column, values = column_of(shard), table[PARTIAL].to_pylist()
        for key, value in zip(self._keys((metric, by, grain), table), values, strict=True):
            yield Row(key, [Cell(column, version, value)])

    def gone(self, place: tuple[int, int, int], table: pa.Table, shard: int, version: int) -> Iterator[Row]:
        """As `mutations`, for cells that are not there as of this version."""
        column = column_of(shard)
        for key in self._keys(place, table):
            yield Row(key, [Cell(column, version, GONE)])

    def _keys(self, place: tuple[int, int, int], table: pa.Table) -> Iterator[bytes]:
        path = f"/{self.path(*place)}/".encode()
        windows = table[WINDOW].cast("int64").to_pylist()
        for window, group in zip(windows, table[GROUP].to_pylist(), strict=True):
            yield key_of(path, group, window)

    def ranges(
        self, table: tuple[int, int, int], prefix: tuple[bytes, bool], since_us: int | None, until_us: int | None
    ) -> list[tuple[bytes, bytes]]:
        """From which key on to before which the cells are whose groups begin so; see `partials.scan_prefix`."""
        (begin, is_whole), path = prefix, f"/{self.path(*table)}/".encode()
        if is_whole:
            since = key_of(path, begin, _ALL_TIME if since_us is None else since_us)
            return [
                (since, _after(key_of(path, begin, None)[:-8]) if until_us is None else key_of(path, begin, until_us))
            ]
        return [(salt + path + begin, _after(salt + path + begin)) for salt in SALTS]


def _path(metric: str, by: Sequence[str], grain: str) -> str:
    """Names are quoted as in a URL."""
    return "/".join((quote(metric, safe=""), ",".join(quote(name, safe="") for name in by), quote(grain, safe="")))


def key_of(path: bytes, group: bytes, window: int | None) -> bytes:
    """The key of a cell; None: the window of all time."""
    salt = SALTS[hashlib.blake2b(group, digest_size=1).digest()[0] % len(SALTS)]
    start = _ALL_TIME if window is None else window
    return b"".join((salt, path, group, (start - _ALL_TIME).to_bytes(8, "big")))


def split_key(key: bytes) -> tuple[str, bytes, int | None]:
    """Path, group and window of a key."""
    _, metric, by, grain, rest = key.split(b"/", 4)
    start = int.from_bytes(rest[-8:], "big") + _ALL_TIME
    return b"/".join((metric, by, grain)).decode(), rest[:-8], None if start == _ALL_TIME else start


def _after(prefix: bytes) -> bytes:
    """The first key behind all that begin so."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1])


def column_of(shard: int) -> str:
    """Where the values of a shard are."""
    return f"{shard:04d}"


# The row that says what the table holds.


def head_cell(owner: str, making: str, shards: int, versions: int | None) -> Cell:
    """Whose the table is, which making of it, how many shards write, how many versions of a cell are kept."""
    return _said(HEAD, 0, {"layout": LAYOUT, "owner": owner, "making": making, "shards": shards, "versions": versions})


def plan_cell(plan: dict[str, Any], version: int) -> Cell:
    """What is counted, written before the first cells of the plan."""
    return _said(PLAN, version, plan)


def state_cell(shard: int, version: int, state: dict[str, Any]) -> Cell:
    """The shard's cells of this version are all there. What `state` holds is said at `state_of`."""
    return _said(f"{STATE}{column_of(shard)}", version, state)


def _said(column: str, version: int, what: dict[str, Any]) -> Cell:
    return Cell(column, version, json.dumps(what, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode())


class About(NamedTuple):
    """What the table says of itself: head and plan (None: not written yet), and by shard the version and the state."""

    head: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    states: dict[int, tuple[int, dict[str, Any]]] = {}  # noqa: RUF012 - never changed


def about_of(row: Row | None) -> About:
    """The newest of each."""
    newest: dict[str, Cell] = {}
    for cell in row.cells if row else ():
        if cell.column not in newest or cell.version > newest[cell.column].version:
            newest[cell.column] = cell
    said = {column: json.loads(cell.value) for column, cell in newest.items()}
    states = {
        int(column.removeprefix(STATE)): (newest[column].version, state)
        for column, state in sorted(said.items())
        if column.startswith(STATE)
    }
    return About(said.get(HEAD), said.get(PLAN), states)


def state_of(
    meta: dict[str, Any], accounts: Iterable[Sequence[Any]], expired: dict[str, int], refused: dict[str, int]
) -> dict[str, Any]:
    """What a shard says when it has written all its cells.

    `meta` is as a store or a shard has it; `accounts` are all rows of the ledger without minutes, as `without_minutes`
    gives them. `expired` says by path how many events are in windows that retention no longer keeps, `refused` how many
    cells the table did not take. Of a shard's metrics it is said how many events have `passed`: its windows end by the
    watermark of the whole.
    """
    clocks = ("epoch", "clock_us", "forgotten_us", "watermark_us", "final", "committed_us")
    return {
        **{name: meta[name] for name in clocks},
        "partitions": [{name: one.get(name) for name in _OF_PARTITION} for one in meta["partitions"]],
        "ledger": [list(row) for row in accounts],
        "expired": expired,
        "refused": refused,
        **({"passed": meta["passed"]} if "passed" in meta else {}),
    }


def shard_state(meta: dict[str, Any], expired: dict[str, int], refused: dict[str, int]) -> dict[str, Any]:
    """The same of a shard, whose `meta` has the ledger without its minutes."""
    return state_of(meta, [(*row, digest) for row, digest in meta["ledger"]], expired, refused)


_OF_PARTITION = ("name", "identity", "records", "gaps", "exploded", "next_offset", "last_t_us", "live")
ROW_OF_LEDGER = ("partition", "account", "reason", "part", "records", "digest")


def without_minutes(ledger: pa.Table) -> Iterator[list[Any]]:
    """Partition, account, reason, part, records and digest of a store's ledger, added up over the minutes."""
    sums: dict[tuple[str, ...], tuple[int, int]] = {}
    for row in ledger.select(ROW_OF_LEDGER).to_pylist():
        key = tuple(row[name] for name in ROW_OF_LEDGER[:4])
        records, digest = sums.get(key, (0, 0))
        sums[key] = records + row["records"], (digest + int(row["digest"], 16)) % (1 << 128)
    for key, (records, digest) in sums.items():
        yield [*key, records, f"{digest:032x}"]
