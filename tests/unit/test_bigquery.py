"""Names of tables, decimals of any length, and who is asked where nothing is named."""

from __future__ import annotations

import re
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pyarrow as pa
import pytest

from crossfoot.bigquery import READERS, Reader, TableName, _plain, client, table_name
from crossfoot.errors import CallError, ServiceError
from tests.meta.source_tree import ROOT

NAMES = {
    "d.t": TableName("", "d", "t"),
    "my-project.d.t": TableName("my-project", "d", "t"),
    "example.com:p.d.t": TableName("example.com:p", "d", "t"),
    "`p.d.t`": TableName("p", "d", "t"),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_table_has_a_project_or_none(text):
    assert table_name(text) == NAMES[text]


@pytest.mark.parametrize("text", ["", "t", "p.d.t; DROP TABLE x", "d.`t`", "d.t u"])
def test_what_names_no_table_is_refused(text):
    with pytest.raises(CallError, match="this names no BigQuery table"):
        table_name(text)


def test_long_decimals_are_texts_without_zeros_at_their_ends():
    values = [Decimal("18446744073709551614"), Decimal("1.50"), Decimal(0), Decimal(-100), None]
    table = pa.table({"a": pa.array(values, pa.decimal256(76, 38)), "b": [1] * 5})
    assert _plain(table)["a"].to_pylist() == ["18446744073709551614", "1.5", "0", "-100", None]


def test_a_project_is_named_by_the_surroundings():
    found = client("", {"BIGQUERY_EMULATOR_HOST": "127.0.0.1:9", "GOOGLE_CLOUD_PROJECT": "surrounding"})
    assert found.project == "surrounding"
    found.close()


class Refusing(BaseHTTPRequestHandler):
    """Says to whoever asks that it is not granted."""

    def do_POST(self) -> None:
        body = b'{"error": {"code": 403, "message": "Access Denied: Table p:d.t"}}'
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_a_missing_right_is_named_with_the_roles_that_have_it():
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    reader = Reader("p", {"BIGQUERY_EMULATOR_HOST": f"127.0.0.1:{server.server_port}"})
    try:
        with pytest.raises(ServiceError, match=r"does not grant the question of p\.d\.t: .*Access Denied") as caught:
            reader.columns("SELECT * FROM `p.d.t`", "p.d.t")
    finally:
        reader.close()
        server.shutdown()
        thread.join()
        server.server_close()
    assert caught.value.hint == f"grant {READERS}"


@pytest.mark.parametrize("guide", ["beam", "reconcile"])
def test_a_guide_names_the_roles_of_who_reads(guide: str):
    """Answers are read by streams, which is a right by itself."""
    text = (ROOT / "docs" / "guide" / f"{guide}.md").read_text("utf-8")
    roles = re.findall(r"bigquery\.\w+", READERS)
    assert "bigquery.readSessionUser" in roles
    assert [role for role in roles if role not in text] == []
