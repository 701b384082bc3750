"""The door to a table: what failed is tried again alone, what can never be written is named, errors are one line."""

import pytest
from google.api_core import exceptions as google
from google.cloud.bigtable.data import FailedMutationEntryError, MutationsExceptionGroup

from crossfoot.errors import DataError, ServiceError
from crossfoot.stores.bigtable_rows import KEY_BYTES_MAX, Cell, Row
from crossfoot.stores.bigtable_table import GoogleTable
from tests.bigtables import NAME

ROWS = [Row(f"k{n}".encode(), [Cell("0000", 7, b"v")]) for n in range(4)]


class Client:
    """Google's table, that fails for some rows as a test says: by key, the errors one after the other."""

    def __init__(self, errors: dict[bytes, list[Exception]]) -> None:
        self.errors, self.calls = errors, list[list[bytes]]()

    def bulk_mutate_rows(self, entries, operation_timeout):  # noqa: ARG002
        self.calls.append([entry.row_key for entry in entries])
        failed = [
            FailedMutationEntryError(place, entry, self.errors[entry.row_key].pop(0))
            for place, entry in enumerate(entries)
            if self.errors.get(entry.row_key)
        ]
        if failed:
            raise MutationsExceptionGroup(failed, len(entries))


def table_of(client: Client) -> GoogleTable:
    table = GoogleTable(NAME)
    table._opened = (client, client)
    table.versions = lambda: 4  # type: ignore[method-assign]
    return table


def test_a_row_that_failed_is_tried_again_alone():
    """Two of four did not get through with the others."""
    busy = {b"k1": [google.ServiceUnavailable("busy")], b"k3": [google.Aborted("again")]}
    client = Client(busy)
    assert table_of(client).write(ROWS) == []
    assert client.calls == [[b"k0", b"k1", b"k2", b"k3"], [b"k1"], [b"k3"]]


def test_a_row_that_is_refused_is_named_and_the_others_are_written():
    """It is told by its place, with Google's reason."""
    client = Client({b"k2": [google.InvalidArgument("too odd")] * 2})
    assert table_of(client).write(ROWS) == [(2, "too odd")]


def test_a_service_that_stays_down_is_an_error():
    """The sink tries again later, from its mark."""
    client = Client({b"k0": [google.ServiceUnavailable("down")] * 2})
    with pytest.raises(ServiceError, match="bigtable:p/i/t does not answer: down"):
        table_of(client).write(ROWS)


def test_a_family_that_is_gone_is_no_fault_of_the_rows():
    """The table is looked at before rows are called poisoned."""
    table = table_of(Client({b"k0": [google.InvalidArgument("unknown family")] * 2}))

    def gone() -> int:
        raise DataError("there is no family")

    table.versions = gone  # type: ignore[method-assign]
    with pytest.raises(DataError, match="there is no family"):
        table.write(ROWS)


def test_a_key_over_the_limit_is_not_even_sent():
    """Its place among the others is right."""
    client = Client({})
    rows = [ROWS[0], Row(b"x" * (KEY_BYTES_MAX + 1), ROWS[0].cells), ROWS[1]]
    assert table_of(client).write(rows) == [(1, "the row key has 4,097 bytes, and Bigtable takes 4,096")]
    assert client.calls == [[b"k0", b"k1"]]


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (google.NotFound("Table not found: t"), DataError, "there is no such table: bigtable:p/i/t: Table not found"),
        (google.NotFound("column family not found"), DataError, "bigtable:p/i/t has no column family c"),
        (google.PermissionDenied("no\n way"), ServiceError, "does not grant the right to use bigtable:p/i/t: no way"),
        (google.Unauthenticated("who?"), ServiceError, "does not accept who we are"),
        (google.ResourceExhausted("slow down"), ServiceError, "bigtable:p/i/t does not answer: slow down"),
    ],
)
def test_what_an_error_means(error, kind, said):
    """In one line, with the next step."""
    with pytest.raises(kind, match=said) as found, table_of(Client({}))._asking():
        raise error
    assert found.value.hint
