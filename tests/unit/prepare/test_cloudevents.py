"""CloudEvents in binary mode become structured ones."""

import json

import pytest

from crossfoot.prepare.cloudevents import structured

HEADERS = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/a", "content-type": "application/json"}


def test_headers_become_attributes():
    """Kafka's headers, and the content type of the data."""
    found = json.loads(structured(HEADERS, b'{"v": 1}'))
    assert found == {
        "specversion": "1.0", "id": "1", "source": "/a", "datacontenttype": "application/json", "data": {"v": 1},
    }  # fmt: skip


def test_attributes_of_pubsub_have_another_sign():
    """`ce-` where Kafka has `ce_`."""
    assert json.loads(structured({"ce-specversion": "1.0", "ce-id": "é"}, b"1"))["id"] == "é"


def test_numbers_keep_their_digits():
    """The data stands in the event byte for byte."""
    assert b'"data": {"v": 1.10}' in structured(HEADERS, b'{"v": 1.10}')


@pytest.mark.parametrize("data", [b"", b'{"specversion": "1.0", "id": "2"}', b"nonsense"])
def test_without_headers_it_is_structured_already(data):
    """A message is binary only if its headers name the version."""
    assert structured({"other": "x", "ce_id": "1"}, data) == data


@pytest.mark.parametrize(
    ("kind", "data", "member"),
    [
        ("image/png", b"\xff", {"data_base64": "/w=="}),
        ("text/plain", b'a"', {"data": 'a"'}),
        ("application/xml; charset=UTF-8", b"<a/>", {"data": "<a/>"}),
        ("text/plain; charset=latin1", b"ab", {"data_base64": "YWI="}),
    ],
)
def test_other_data_is_text_or_base64(kind, data, member):
    """By its content type."""
    found = json.loads(structured(HEADERS | {"content-type": kind}, data))
    assert {
        name: value for name, value in found.items() if name.startswith("data") and name != "datacontenttype"
    } == member


def test_an_event_may_have_no_data():
    """Then it has the attributes only."""
    assert "data" not in json.loads(structured(HEADERS, b""))


@pytest.mark.parametrize("data", [b'1, "id": "2"', b"{", b"\xff", b"NaN", b"[" * 100_000])
def test_data_that_is_no_json_gives_no_event(data):
    """It cannot pass for an attribute; alone it is malformed."""
    assert structured(HEADERS, data) == data
