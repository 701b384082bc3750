"""BigQuery: the client, what it is asked, and its errors in our terms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossfoot.errors import CallError, DataError, ServiceError

if TYPE_CHECKING:
    import pyarrow as pa

HOST = "BIGQUERY_EMULATOR_HOST"
"""The variable by which Google's client finds an emulator; its gRPC is named by `STORAGE_HOST`."""
STORAGE_HOST = "BIGQUERY_STORAGE_EMULATOR_HOST"
PROJECT = "GOOGLE_CLOUD_PROJECT"
"""The variable that names the project where none is said."""
TIMEOUT_S = 30.0
JOB_S = 300.0
WRITERS = "roles/bigquery.dataEditor on the dataset and roles/bigquery.jobUser on the project"
READERS = (
    "roles/bigquery.dataViewer on the dataset, roles/bigquery.jobUser and roles/bigquery.readSessionUser on the project"
)
_PART = r"[\w$-]+"
_NAME = re.compile(rf"(?:([\w.:-]+)\.)?({_PART})\.({_PART})")


@dataclass(frozen=True, slots=True)
class TableName:
    """`PROJECT.DATASET.TABLE`; without a project: that of the client."""

    project: str
    dataset: str
    table: str

    @property
    def quoted(self) -> str:
        """As SQL has it."""
        return "`" + ".".join(filter(None, (self.project, self.dataset, self.table))) + "`"


def table_name(text: str) -> TableName:
    """CallError for what names no table."""
    found = _NAME.fullmatch(text.strip().strip("`"))
    if found is None:
        raise CallError(f"this names no BigQuery table: {text}", "write DATASET.TABLE or PROJECT.DATASET.TABLE")
    return TableName(found[1] or "", found[2], found[3])


def client(project: str, environment: Mapping[str, str], location: str | None = None) -> Any:
    """Google's client; nothing is reached for yet. Without a project: the one that the surroundings name."""
    try:
        from google.cloud import bigquery
    except ImportError as error:
        hint = "pip install 'crossfoot[bigquery]'"
        raise CallError("the package google-cloud-bigquery is not installed", hint) from error
    named = project or environment.get(PROJECT) or None
    try:
        return bigquery.Client(named, location=location, **_access(environment.get(HOST, "")))
    except OSError as error:
        hint = f"name it before the dataset, as PROJECT.DATASET.TABLE, or set {PROJECT}"
        raise CallError("no project is named for BigQuery", hint) from error


def _access(host: str) -> dict[str, Any]:
    """An emulator wants no credentials; it is named by its address, with or without http."""
    if not host:
        return {}
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials

    address = host if "://" in host else f"http://{host}"
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return {"credentials": nobody, "client_options": ClientOptions(api_endpoint=address)}


def checked(service: Any, sql: str, timeout_s: float = TIMEOUT_S) -> Any:
    """A job that is only looked at: whether it may be done, and what it would answer. Nothing is read or changed."""
    from google.cloud import bigquery

    dry = bigquery.QueryJobConfig(dry_run=True)
    return service.query(sql, job_config=dry, timeout=timeout_s, retry=None, job_retry=None)


@contextmanager
def asking(what: str, place: str, roles: str = READERS) -> Iterator[None]:
    """Errors of the service and of the way there, in our terms."""
    try:
        from google.api_core import exceptions as google
        from google.auth import exceptions as auth
    except ImportError:
        # Whoever makes the client says what is to be installed.
        yield
        return
    from requests import exceptions as requests

    try:
        yield
    except google.Forbidden as error:
        raise ServiceError(f"BigQuery does not grant {what} of {place}: {line(error)}", f"grant {roles}") from error
    except (google.Unauthorized, auth.DefaultCredentialsError, auth.RefreshError) as error:
        hint = "gcloud auth application-default login"
        raise ServiceError(f"BigQuery does not accept who we are: {line(error)}", hint) from error
    except (google.BadRequest, google.NotFound) as error:
        hint = "make it, or name another" if isinstance(error, google.NotFound) else "see the job in BigQuery"
        raise DataError(f"BigQuery does not take {what} of {place}: {line(error)}", hint) from error
    except (google.GoogleAPIError, auth.TransportError, requests.RequestException, TimeoutError) as error:
        hint = f"check the project, the credentials and the network; an emulator is named by {HOST}"
        raise ServiceError(f"BigQuery does not answer for {what} of {place}: {line(error)}", hint) from error


def line(error: BaseException) -> str:
    """The first line, without what only a debugger wants."""
    text = str(getattr(error, "message", "") or error).strip().splitlines()
    return re.sub(r"^(GET|POST|PUT|PATCH) \S+: ", "", text[0]) if text else type(error).__name__


class Reader:
    """Asks questions and reads answers, a batch of rows after the other. The first call reaches for the service."""

    def __init__(
        self,
        project: str,
        environment: Mapping[str, str],
        location: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._project, self._environment, self._location = project, environment, location
        self._timeout_s = timeout_s
        self._client: Any = None

    def columns(self, sql: str, place: str) -> dict[str, str]:
        """The columns of an answer and their types; it is not worked out, but that it may be read is known then too."""
        with asking("the question", place):
            schema = checked(self._open(), sql, self._timeout_s).schema
            return {field.name: field.field_type for field in schema}

    def rows(self, sql: str, place: str) -> Iterator[pa.Table]:
        """The rows of an answer, some after the other; where there are none, one table without any."""
        import pyarrow as pa

        with asking("the question", place):
            answer = self._ask(sql)
            if not answer.total_rows:
                yield _plain(answer.to_arrow(create_bqstorage_client=False))
                return
            for batch in answer.to_arrow_iterable(self._streams()):
                yield _plain(pa.Table.from_batches([batch]))

    def _ask(self, sql: str) -> Any:
        job = self._open().query(sql, timeout=self._timeout_s, retry=None, job_retry=None)
        return job.result(timeout=JOB_S, retry=None)

    def _open(self) -> Any:
        if self._client is None:
            self._client = client(self._project, self._environment, self._location)
        return self._client

    def _streams(self) -> Any:
        """The Storage Read API, which is quicker than pages of JSON; an emulator is asked for pages."""
        if self._environment.get(HOST):
            return None
        try:
            from google.cloud.bigquery_storage import BigQueryReadClient
        except ImportError:
            return None
        return BigQueryReadClient()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _plain(table: pa.Table) -> pa.Table:
    """Decimals of 76 digits as text, which everyone takes; zeros at the end do not count."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if pa.types.is_decimal256(field.type):
            texts = [None if value is None else f"{value:f}" for value in table.column(at).to_pylist()]
            short = [text.rstrip("0").rstrip(".") if text and "." in text else text for text in texts]
            table = table.set_column(at, field.name, pa.array(short, pa.string()))
    return table
