"""Raw records in a dataset of an emulator, and what BigQuery's own recount of them says."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from crossfoot.dev.bigquery import PROJECT, BigQuery
from crossfoot.engines.batch.remote import RemoteRecount
from tests.batch import Recorder
from tests.engines import Commit
from tests.golden.folders import Golden

TYPES = {pa.int64(): "INT64", pa.string(): "STRING", pa.timestamp("us", "UTC"): "TIMESTAMP"}
COLUMNS = ("epoch", "step", "kind", "source", "partition", "position", "stamp", "received", "t", "clock", "length")


@dataclass
class Dataset:
    """A dataset of its own for each test."""

    client: bigquery.Client
    name: str

    @classmethod
    def of(cls, emulator: BigQuery) -> Dataset:
        options = {"api_endpoint": emulator.address}
        client = bigquery.Client(PROJECT, credentials=AnonymousCredentials(), client_options=options)
        made = cls(client, f"d{uuid.uuid4().hex[:8]}")
        client.create_dataset(made.name)
        return made

    def path(self, table: str) -> str:
        return f"{PROJECT}.{self.name}.{table}"

    def put(self, table: str, rows: pa.Table) -> str:
        """A table with these rows; its whole name."""
        schema = [bigquery.SchemaField(field.name, TYPES[field.type]) for field in rows.schema]
        self.client.create_table(bigquery.Table(self.path(table), schema))
        out = io.BytesIO()
        pq.write_table(rows, out)
        out.seek(0)
        config = bigquery.LoadJobConfig(source_format="PARQUET", schema=schema)
        self.client.load_table_from_file(out, self.path(table), job_config=config).result()
        return self.path(table)

    def texts(
        self, table: str, texts: Sequence[str | None], positions: Sequence[int | None] | None = None, parts: int = 1
    ) -> str:
        """A table of texts in turn in so many partitions, at their positions; the source that a definition names."""
        places = list(range(len(texts))) if positions is None else positions
        part = [f"s{place % parts}" for place in range(len(texts))]
        columns = {
            "seq": pa.array(places, pa.int64()),
            "shard": pa.array(part),
            "payload": pa.array(texts, pa.string()),
        }
        name = self.put(table, pa.table(columns))
        return f"{{bigquery: {{table: {name}, record: payload, position: seq, partition: shard}}, format: json}}"

    def add(self, table: str, columns: dict[str, Iterable[Any]]) -> None:
        """Rows more."""
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        assert self.client.insert_rows_json(self.path(table), rows) == []

    def ask(self, sql: str) -> list[dict[str, Any]]:
        answer = self.client.query(sql, retry=None, job_retry=None).result(timeout=120, retry=None)
        return [dict(row.items()) for row in answer]


def recount(dataset: Dataset, golden: Golden) -> RemoteRecount:
    """A log's records as a table of texts, judged by BigQuery."""
    steps = [step for step in golden.steps if not isinstance(step, Commit)]
    rows = as_texts(Recorder(golden.definition).play(steps))
    made = RemoteRecount(golden.definition, dataset.path("judged"), dataset.ask)
    made.judge(f"SELECT * FROM `{dataset.put('raw', rows)}`", rows.column_names)
    return made


def as_texts(rows: pa.Table) -> pa.Table:
    """Records as texts: null, where they are no UTF-8."""
    records = rows["record"].to_pylist()
    lengths = [len(record) if length is None and record is not None else length
               for record, length in zip(records, rows["length"].to_pylist(), strict=True)]  # fmt: skip
    rows = rows.select(COLUMNS).set_column(COLUMNS.index("length"), "length", pa.array(lengths, pa.int64()))
    rows = rows.append_column("record", pa.array([_text(record) for record in records], pa.string()))
    for at, field in enumerate(rows.schema):
        if field.type not in TYPES:
            rows = rows.set_column(at, field.name, rows.column(at).cast(pa.string()))
    return rows


def _text(record: bytes | None) -> str | None:
    try:
        return None if record is None else record.decode()
    except UnicodeDecodeError:
        return None
