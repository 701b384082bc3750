"""The native counting core. Times are integer microseconds since the epoch, UTC; nested values go as JSON."""

from typing import final

__all__ = [
    "CoreError",
    "Engine",
    "Framing",
    "Generator",
    "KafkaReader",
    "Preparation",
    "RawRows",
    "Reader",
    "Shard",
    "Splitter",
    "__version__",
    "arrow_to_json_lines",
    "counted_since",
    "crc32c",
    "deliveries",
    "durable_steps",
    "evaluate",
    "scan_partials",
    "scan_prefix",
    "tail_hash",
]

__version__: str

class CoreError(Exception):
    """An error of the core: ``args`` are kind, message, hint; kind is definition, data, store, internal or crash."""

@final
class Engine:
    """The writer of a store. One process at a time."""

    def __new__(cls, path: str, plan_json: str, options_json: str) -> Engine: ...
    def partitions(self) -> str: ...
    def register(self, partitions_json: str) -> None: ...
    def rejoin(self, partitions_json: str) -> None: ...
    def feed(self, partition: str, data: bytes, span: tuple[int, int], now_us: int) -> None: ...
    def feed_records(
        self, partition: str, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], now_us: int
    ) -> None: ...
    def recount(
        self,
        partition: str,
        data: bytes,
        columns: tuple[bytes, bytes, bytes, bytes],
        recorded: tuple[bytes, bool],
        now_us: int,
    ) -> None: ...
    def skip_to(self, partition: str, offset: int) -> None: ...
    def skip(self, partition: str, length: int, head: bytes) -> None: ...
    def pass_epoch(self) -> None: ...
    def times(self) -> list[tuple[str, bytes]]: ...
    def heartbeat(self, partition: str, t_us: int) -> None: ...
    def finish(self, partition: str, state: str | None) -> None: ...
    def commit(self) -> int: ...
    def commit_beside(self, number: int) -> None: ...
    def told(self) -> tuple[int, str]: ...
    def checkpoint(self) -> None: ...
    def progress(self) -> str: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...

@final
class Reader:
    """One committed epoch of a store, read without a lock; ``refresh`` goes on to the newest."""

    def __new__(cls, path: str, since: tuple[int, int] | None = None) -> Reader: ...
    def meta(self) -> str: ...
    def refresh(self) -> bool: ...
    def changed(
        self, metric: int, dimension_set: int, grain: int, limit: int, after: bytes | None = None
    ) -> tuple[bytes, bytes] | None: ...
    def changed_partials(
        self, metric: int, dimension_set: int, grain: int, limit: int, after: bytes | None = None
    ) -> tuple[bytes, bytes] | None: ...
    def taken(self) -> None: ...
    def scan(self, request_json: str) -> bytes: ...
    def expired(self, metric: int, dimension_set: int, grain: int) -> int: ...
    def windows(self, metric: int, dimension_set: int, grain: int) -> str: ...
    def accounts(self) -> str: ...
    def ledger(self) -> bytes: ...
    def side_log(self, limit: int) -> bytes: ...
    def verify(self) -> str: ...

@final
class Framing:
    """Messages of the prepared form, of one partition of a topic, as Pub/Sub's publish request holds them.

    A frame is a field ``messages`` of that request in protobuf's wire format: the value as ``data``, what it says of
    itself as attributes, and the attempt 1 as the last of them. ``source`` and ``definition``: what each value must
    say. A message of ``bytes_max`` bytes or more is not framed.
    """

    def __new__(cls, source: str, definition: str, topic: str, partition: int, bytes_max: int) -> Framing: ...
    def singles(
        self, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], places: bool
    ) -> tuple[bytes, bytes, bytes, list[int]]:
        """Those of the records that are single events: their frames, the ends of these (u32), their offsets (u64).

        ``columns``: ends, offsets, and nothing else that counts here. Without ``places`` the offset of each is the one
        that it says itself. Last come the numbers of the records that are left: blocks, those that are too long, and
        whatever is not written as our own services write it.
        """

    def one(self, value: bytes, head: tuple[str, int, str, str, bool], offset: int) -> bytes | None:
        """One message; its head is its id, its events, their least and greatest time, and whether it is a block.

        None where it is too long.
        """

@final
class Preparation:
    """The pure step of the service that prepares: records at their positions in, messages of the prepared form out.

    ``options_json``: ``{"source": text, "definition": text}`` as `crossfoot.definition.prepared.marks` gives them; and
    may say ``"form": "single" | "block"`` (single), ``"key": "uuid" | field`` (uuid), ``"block_bytes": int`` (about so
    many bytes of values, 512 KiB). CoreError definition where the definition has no received time.
    """

    def __new__(cls, plan_json: str, options_json: str) -> Preparation: ...
    def prepare(
        self,
        partition: str,
        origin: tuple[str, int, int],
        data: bytes,
        columns: tuple[bytes, bytes, bytes, bytes],
        state: tuple[int | None, int | None],
        now_us: int,
    ) -> tuple[
        tuple[bytes, bytes, bytes, bytes],
        list[tuple[int, int | None, str, str, str, int, int]],
        str,
    ]:
        """One block of records of a partition, in the order of their positions.

        - ``partition``: the name by which a store would know the partition (ids by position are made of it).
        - ``origin``: the lineage of each event: topic, partition, attempt. Without a topic: the partition's name, 0.
        - ``data``, ``columns``: as those of `Engine.feed_records`.
        - ``state``: the partition's last t and J, in microseconds. The last t must be durable before what is returned
          is handed on, or together with it; J is the caller's.
        - ``now_us``: the reading clock; a stamp beyond it and the allowed future is `invalid`.

        Returns the messages, the refused, and a summary:

        - messages: their bytes, where each ends (u32), their keys, and where each of those ends (u32). The key of a
          single is its event's uuid or the declared field as text, empty where that is null; a block has none.
          An event that is too large for a block is a single among blocks.
        - refused: `malformed` and `invalid` only: offset, element (None: the record as a whole), account, reason, part,
          and the record's first byte and end in ``data``.
        - summary, JSON: ``records``, ``events`` (written), ``messages``, ``filtered``, ``refused``, ``accounts``
          (``[[account, reason, part, events]…]`` of all that is not written), ``last_t_us``, ``next_offset`` (None: no
          record), ``time_min_us`` and ``time_max_us`` of the events (None: none).

        Each event is in `events`, `filtered` or `refused`; they add up to records + exploded, the events beyond one of
        each record. The same input and state give the same bytes.
        """

@final
class RawRows:
    """The pure step, and a row of what it says of each record.

    Rows are an Arrow stream: ``position``, ``element``, ``stamp``, ``received``, ``event_time``, ``uuid`` and
    ``content`` (hex), ``account`` (``event`` or `malformed`, `filtered`, `invalid`), ``reason``, ``part``, ``attempt``,
    and of prepared events ``origin_source``, ``origin_partition``, ``origin_position``. Beside it is the number of
    records.
    """

    def __new__(cls, plan_json: str) -> RawRows: ...
    def lines(self, partition: str, data: bytes, first: int, now_us: int) -> tuple[bytes, int]: ...
    def records(
        self,
        partition: str,
        data: bytes,
        columns: tuple[bytes, bytes, bytes, bytes],
        has_attempts: bool,
        now_us: int,
    ) -> tuple[bytes, int]: ...
    def long_line(self, position: int) -> tuple[bytes, int]: ...

@final
class Splitter:
    """Splits what sources hand over by the shard that counts it.

    Each call returns blocks by shard, the partition's last t, records, entries of the ledgers (a record that is several
    events stands as often), and the largest received time. ``state``: the partition's last t and J.
    """

    def __new__(cls, plan_json: str, shards: int) -> Splitter: ...
    def records(
        self,
        partition: str,
        data: bytes,
        columns: tuple[bytes, bytes, bytes, bytes],
        state: tuple[int | None, int | None],
        now_us: int,
    ) -> tuple[dict[int, bytes], int | None, int, int, int | None]: ...
    def lines(
        self, partition: str, data: bytes, first: int, state: tuple[int | None, int | None], now_us: int
    ) -> tuple[dict[int, bytes], int | None, int, int, int | None]: ...

@final
class Shard:
    """One slice of all ids, counted in one place. Nothing is durable: what a commit has changed is handed out."""

    def __new__(cls, plan_json: str, number: int, shards: int) -> Shard: ...
    @staticmethod
    def load(
        plan_json: str, place: tuple[int, int], head: bytes, ids: list[tuple[int, bytes]], cells: bytes
    ) -> Shard: ...
    def apply(self, block: bytes, stamp_us: int) -> None: ...
    def heartbeat(self, stamp_us: int) -> None: ...
    def finish(self) -> None: ...
    def commit(self) -> tuple[int, dict[int, bytes], bytes, bool, bytes, list[int]]: ...
    def tables(self) -> list[tuple[int, int, int]]: ...
    def partials(self, table: int, after: int) -> bytes | None: ...
    def ledger(self) -> bytes: ...
    def side_log(self) -> bytes: ...
    def accounts(self) -> str: ...
    def meta(self) -> str: ...
    def is_at(self, head: bytes) -> bool: ...
    def sequence(self) -> int: ...

@final
class Generator:
    """Seeded events of the engagement kind, as blocks of JSON lines."""

    def __new__(cls, workload_json: str) -> Generator: ...
    def block(self, lines: int) -> bytes: ...

@final
class KafkaReader:
    """Reads partitions of one topic, on a thread of its own, as far as its queue has room."""

    def __new__(cls, options_json: str) -> KafkaReader: ...
    def assign(self, partitions_json: str) -> None: ...
    def name(self, partition: int) -> str: ...
    def take(self, bytes_max: int, wait_ms: int) -> tuple[str, list[tuple[int, bytes, list[bytes]]]]: ...
    def close(self) -> None: ...

def arrow_to_json_lines(ipc: bytes) -> bytes: ...
def counted_since(path: str, mark_json: str, rows_max: int) -> tuple[bytes, str, bool]: ...
def scan_partials(plan_json: str, request_json: str, rows: bytes, watermark_us: int | None = None) -> bytes: ...
def scan_prefix(plan_json: str, request_json: str) -> tuple[bytes, bool]: ...
def deliveries(answer: bytes, with_attempt: bool) -> list[tuple[int, bytes, bytes, bytes]]:
    """The messages of an answer of Pub/Sub's pull calls, at most as many together as one request acknowledges.

    How many; their ids, as fields ``ack_ids`` of an ``AcknowledgeRequest``; their data one behind the other; where each
    ends (u32). ``with_attempt``: in front of each its attempt, four bytes, little-endian; 0 where it does not say.
    CoreError internal where the answer is no such message.
    """

def durable_steps() -> list[str]: ...
def crc32c(data: bytes, before: int) -> int: ...
def tail_hash(data: bytes) -> int: ...
def evaluate(node_json: str, rows_json: str) -> str: ...
