"""The door to a Bigtable table: rows in and out, and what Google's errors mean to the caller."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from crossfoot.errors import CallError, CrossfootError, DataError, ServiceError
from crossfoot.stores.bigtable_rows import FAMILY, KEY_BYTES_MAX, VALUE_BYTES_MAX, Cell, Row

HOST = "BIGTABLE_EMULATOR_HOST"
"""The variable by which every Bigtable client finds an emulator."""
SCHEME = "bigtable:"

_TIMEOUT_S = 20.0
_MICROS = 1000
_VERSIONS_MIN = 2
_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class TableName:
    """A table of an instance of a project."""

    project: str
    instance: str
    table: str

    @classmethod
    def of(cls, text: str) -> TableName:
        """From `bigtable:PROJECT/INSTANCE/TABLE`; CallError where it is none."""
        parts = text.removeprefix(SCHEME).split("/")
        if len(parts) != 3 or not all(parts):
            raise CallError(f"this names no Bigtable table: {text}", "write bigtable:PROJECT/INSTANCE/TABLE")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{SCHEME}{self.project}/{self.instance}/{self.table}"


class Refused(NamedTuple):
    """The row at a place among those that were to be written, and why the table will never take it."""

    place: int
    reason: str


class RowTable(Protocol):
    """A table. What fails is raised as a CrossfootError; a ServiceError may come back."""

    name: TableName

    def versions(self) -> int | None:
        """How many versions of a cell are kept (None: all); DataError where that, or the table, does not do."""
        ...

    def read(self, ranges: Sequence[tuple[bytes, bytes]], since: int = 0) -> Iterator[Row]:
        """The rows from one key on to before another, with all versions of their cells.

        Only those with a cell of a version beyond `since`, unless that is 0.
        """
        ...

    def row(self, key: bytes) -> Row | None:
        """One row, if it is there."""
        ...

    def write(self, rows: Sequence[Row]) -> list[Refused]:
        """All rows are durable when this returns, but those that can never be written."""
        ...

    def advance(self, key: bytes, cell: Cell) -> bool:
        """Write a cell, unless its column has one of this version or a higher; whether it was written."""
        ...

    def remove(self, keys: Sequence[bytes]) -> None:
        """Remove rows; those that are not there are none."""

    def close(self) -> None:
        """Let go of what is open."""


def need_package() -> None:
    """CallError where google-cloud-bigtable is not installed."""
    try:
        import google.cloud.bigtable.data  # noqa: F401
    except ImportError as error:
        raise CallError(
            "Bigtable needs the package google-cloud-bigtable", "pip install 'crossfoot[bigtable]'"
        ) from error


class GoogleTable:
    """A table of Google's, or of the emulator that `BIGTABLE_EMULATOR_HOST` names. Nothing is reached for at first."""

    def __init__(self, name: TableName, timeout_s: float = _TIMEOUT_S) -> None:
        need_package()
        self.name = name
        self._timeout_s = timeout_s
        self._opened: tuple[Any, Any] | None = None

    def versions(self) -> int | None:
        with self._asking(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from google.cloud.bigtable import Client

            admin: Any = Client(project=self.name.project, admin=True)  # type: ignore[no-untyped-call]
            families = admin.table_admin_client.get_table(
                name=f"projects/{self.name.project}/instances/{self.name.instance}/tables/{self.name.table}",
                timeout=self._timeout_s,
            ).column_families
        if FAMILY not in families:
            raise self._no_family()
        return _versions_of(families[FAMILY].gc_rule, self.name)

    def read(self, ranges: Sequence[tuple[bytes, bytes]], since: int = 0) -> Iterator[Row]:
        from google.api_core.exceptions import DeadlineExceeded
        from google.cloud.bigtable.data import ReadRowsQuery, RowRange

        left = list(ranges)
        while asked := [RowRange(begin, end) for begin, end in left if begin < end]:
            query, last = ReadRowsQuery(row_ranges=asked, row_filter=_filter(since)), None
            with self._asking():
                try:
                    for found in self._table.read_rows_stream(query, operation_timeout=self._timeout_s):
                        last = found.row_key
                        yield _row(found)
                    return
                except DeadlineExceeded:
                    # The limit is that of a pause, not of the whole answer: it goes on behind the last row.
                    if last is None:
                        raise
            left = [(max(begin, last + b"\0"), end) for begin, end in left]

    def row(self, key: bytes) -> Row | None:
        with self._asking():
            found = self._table.read_row(key, operation_timeout=self._timeout_s)
        return None if found is None else _row(found)

    def write(self, rows: Sequence[Row]) -> list[Refused]:
        """In one call; those that fail are tried again alone, so that one of them holds up no other."""
        refused = [Refused(place, reason) for place, row in enumerate(rows) if (reason := _too_large(row))]
        never = {each.place for each in refused}
        failed = self._mutate([(place, row) for place, row in enumerate(rows) if place not in never])
        for place, _ in failed:
            for _, error in self._mutate([(place, rows[place])]):
                if not _is_lasting(error):
                    raise self._failure(error)
                refused.append(Refused(place, _line(error)))
        if len(refused) > len(never):
            self.versions()  # a family that is gone is no fault of the rows
        return refused

    def advance(self, key: bytes, cell: Cell) -> bool:
        from google.cloud.bigtable.data import SetCell

        set_cell = SetCell(FAMILY, cell.column, cell.value, cell.version * _MICROS)
        with self._asking():
            return not self._table.check_and_mutate_row(
                key,
                _beyond(cell.version - 1, cell.column),
                false_case_mutations=set_cell,
                operation_timeout=self._timeout_s,
            )

    def remove(self, keys: Sequence[bytes]) -> None:
        from google.cloud.bigtable.data import DeleteAllFromRow, MutationsExceptionGroup, RowMutationEntry

        for first in range(0, len(keys), _KEYS):
            entries = [RowMutationEntry(key, [DeleteAllFromRow()]) for key in keys[first : first + _KEYS]]
            with self._asking():
                try:
                    self._table.bulk_mutate_rows(entries, operation_timeout=self._timeout_s)
                except MutationsExceptionGroup as group:
                    raise self._failure(_cause(group.exceptions[0])) from group

    def _mutate(self, rows: Sequence[tuple[int, Row]]) -> list[tuple[int, Exception]]:
        """Write rows; places and errors of those that failed, after the client's own attempts."""
        from google.cloud.bigtable.data import MutationsExceptionGroup

        if not rows:
            return []
        with self._asking():
            try:
                self._table.bulk_mutate_rows([_entry(row) for _, row in rows], operation_timeout=self._timeout_s)
            except MutationsExceptionGroup as group:
                return [(rows[each.index or 0][0], _cause(each)) for each in group.exceptions]
        return []

    @property
    def _table(self) -> Any:
        if self._opened is None:
            from google.cloud.bigtable.data import BigtableDataClient

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is an emulator
                client = BigtableDataClient(project=self.name.project)
                self._opened = client, client.get_table(self.name.instance, self.name.table)
        return self._opened[1]

    @contextmanager
    def _asking(self) -> Iterator[None]:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import GoogleAuthError

        try:
            yield
        except GoogleAuthError as error:
            hint = f"gcloud auth application-default login, or name an emulator: {HOST}"
            raise ServiceError(f"there are no Google credentials: {_line(error)}", hint) from error
        except (GoogleAPICallError, RetryError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> CrossfootError:
        """What an error means to the caller."""
        from google.api_core import exceptions as google

        error = _cause(error)
        if isinstance(error, google.NotFound) and "family" in _line(error):
            return self._no_family()
        if isinstance(error, google.NotFound):
            hint = f"make it: cbt createtable {self.name.table} families={FAMILY}:maxversions=4, or name another one"
            return DataError(f"there is no such table: {self.name}: {_line(error)}", hint)
        if isinstance(error, google.PermissionDenied):
            what = f"Google does not grant the right to use {self.name}: {_line(error)}"
            return ServiceError(what, "grant roles/bigtable.user (to write) or roles/bigtable.reader (to read)")
        if isinstance(error, google.Unauthenticated):
            what = f"Google does not accept who we are: {_line(error)}"
            return ServiceError(what, "gcloud auth application-default login")
        if isinstance(error, google.InvalidArgument):
            return DataError(f"Bigtable does not accept {self.name}: {_line(error)}", "name another table")
        hint = f"check the project, the credentials and the network; an emulator is named by {HOST}"
        return ServiceError(f"{self.name} does not answer: {_line(error)}", hint)

    def _no_family(self) -> CrossfootError:
        hint = f"make it: cbt createfamily {self.name.table} {FAMILY}:maxversions=4"
        return DataError(f"{self.name} has no column family {FAMILY}", hint)

    def close(self) -> None:
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None


def _row(found: Any) -> Row:
    return Row(
        found.row_key,
        [Cell(cell.qualifier.decode(), cell.timestamp_micros // _MICROS, cell.value) for cell in found.cells],
    )


def _filter(since: int) -> Any:
    """Cells of our family; of rows that have one beyond a version."""
    from google.cloud.bigtable.data import row_filters as filters

    ours = filters.FamilyNameRegexFilter(FAMILY)
    if not since:
        return ours
    whole, none = filters.PassAllFilter(flag=True), filters.BlockAllFilter(flag=True)
    return filters.RowFilterChain([ours, filters.ConditionalRowFilter(_beyond(since), whole, none)])


def _beyond(version: int, column: str | None = None) -> Any:
    """Cells of a version beyond one, of all columns or of one."""
    from google.cloud.bigtable.data import row_filters as filters

    first = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=version + 1)
    beyond = filters.TimestampRangeFilter(start=first)
    if column is None:
        return beyond
    return filters.RowFilterChain([filters.ColumnQualifierRegexFilter(re.escape(column).encode()), beyond])


def _entry(row: Row) -> Any:
    from google.cloud.bigtable.data import RowMutationEntry, SetCell

    cells = [SetCell(FAMILY, each.column, each.value, each.version * _MICROS) for each in row.cells]
    return RowMutationEntry(row.key, [*cells])


def _too_large(row: Row) -> str:
    """Why a row is over Bigtable's limits; empty where it is not."""
    if len(row.key) > KEY_BYTES_MAX:
        return f"the row key has {len(row.key):,} bytes, and Bigtable takes {KEY_BYTES_MAX:,}"
    largest = max(len(cell.value) for cell in row.cells)
    return (
        f"the value has {largest:,} bytes, and Bigtable takes {VALUE_BYTES_MAX:,}" if largest > VALUE_BYTES_MAX else ""
    )


def _is_lasting(error: Exception) -> bool:
    """Whether the row is refused for what it is; a table that is gone, or rights that are, are no fault of a row."""
    from google.api_core import exceptions as google

    return isinstance(error, google.InvalidArgument | google.OutOfRange)


def _cause(error: BaseException) -> Exception:
    """The error of the service inside those that the client wraps around it."""
    from google.api_core.exceptions import DeadlineExceeded, RetryError
    from google.cloud.bigtable.data import FailedMutationEntryError
    from google.cloud.bigtable.data.exceptions import RetryExceptionGroup

    while True:
        inner = error.__cause__
        if isinstance(error, RetryExceptionGroup):
            inner = error.exceptions[-1]
        wraps = isinstance(error, FailedMutationEntryError | RetryExceptionGroup | RetryError | DeadlineExceeded)
        if not wraps or not isinstance(inner, Exception):
            assert isinstance(error, Exception)
            return error
        error = inner


def _line(error: BaseException) -> str:
    """What an error says, in one line."""
    text = re.sub(r"\s+", " ", str(getattr(error, "message", "") or error)).strip()
    return text[:300] or type(error).__name__


def _versions_of(rule: Any, name: TableName) -> int | None:
    """How many versions the rule keeps of a cell; DataError where it removes cells by their age."""
    hint = f"cbt setgcpolicy {name.table} {FAMILY} maxversions=4"
    kind = rule._pb.WhichOneof("rule")  # noqa: SLF001
    if kind is None:
        return None
    if kind != "max_num_versions":
        what = f"{name} removes cells of the family {FAMILY} by age, and their timestamps are versions"
        raise DataError(what, f"keep a number of versions: {hint}")
    if rule.max_num_versions < _VERSIONS_MIN:
        what = f"{name} keeps one version of a cell, so a reader would see an epoch that is half written"
        raise DataError(what, f"keep more: {hint}")
    return int(rule.max_num_versions)
