"""BigQuery's Storage Write API: rows as Arrow, at offsets of a pending stream, which is committed as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crossfoot.errors import CallError, DataError, ServiceError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 20_000
"""In one request, which may have 10 MB."""
_TIMEOUT_S = 60.0


class Streams:
    """Writes rows. `host` is that of an emulator; empty: Google's."""

    def __init__(self, host: str) -> None:
        try:
            from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
            from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
        except ImportError as error:
            hint = "pip install 'crossfoot[bigquery]'"
            raise CallError("the package google-cloud-bigquery-storage is not installed", hint) from error
        if host:
            import grpc

            channel = grpc.insecure_channel(host.removeprefix("http://"))
            transport = BigQueryWriteGrpcTransport(channel=channel)
        else:
            transport = None
        self._client: Any = BigQueryWriteClient(transport=transport)  # type: ignore[no-untyped-call]

    def write(self, table: str, rows: pa.Table) -> str:
        """A stream that has all rows and takes no more, not committed yet; its name."""
        from google.cloud.bigquery_storage_v1.types import WriteStream

        made = self._client.create_write_stream(
            parent=table, write_stream=WriteStream(type_=WriteStream.Type.PENDING), timeout=_TIMEOUT_S
        )
        name: str = made.name
        routing = [("x-goog-request-params", f"write_stream={name}")]
        for answer in self._client.append_rows(_requests(name, rows), metadata=routing, timeout=_TIMEOUT_S * 5):
            if answer.error.code:
                raise DataError(f"BigQuery does not take rows of {table}: {answer.error.message}", "see the table")
        done = self._client.finalize_write_stream(name=name, timeout=_TIMEOUT_S)
        if done.row_count != len(rows):
            raise ServiceError(f"BigQuery has {done.row_count} of {len(rows)} rows of a part", "it is sent again")
        return name

    def commit(self, table: str, stream: str) -> None:
        """Its rows are there; once more changes nothing."""
        from google.cloud.bigquery_storage_v1.types import BatchCommitWriteStreamsRequest

        asked = BatchCommitWriteStreamsRequest(parent=table, write_streams=[stream])
        answer = self._client.batch_commit_write_streams(asked, timeout=_TIMEOUT_S)
        for error in answer.stream_errors:
            # The second one is how an emulator says it.
            if error.code.name != "STREAM_ALREADY_COMMITTED" and "state=COMMITTED" not in error.error_message:
                raise DataError(f"BigQuery does not commit {stream}: {error.error_message}", "see the table")

    def close(self) -> None:
        """Let go of the connection."""
        self._client.transport.close()


def _requests(stream: str, rows: pa.Table) -> Iterator[Any]:
    from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, ArrowRecordBatch, ArrowSchema

    schema = ArrowSchema(serialized_schema=rows.schema.serialize().to_pybytes())
    offset = 0
    for batch in rows.combine_chunks().to_batches(max_chunksize=_ROWS):
        data = AppendRowsRequest.ArrowData(
            writer_schema=schema, rows=ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes())
        )
        yield AppendRowsRequest(write_stream=stream, offset=offset, arrow_rows=data)
        offset += batch.num_rows
