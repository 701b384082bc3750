"""CloudEvents in binary mode on a topic: headers and value become one record."""

import json
from array import array
from itertools import pairwise

import pytest

from crossfoot.definition.load import load_text
from crossfoot.prepare.cloudevents import structured
from crossfoot.sources.kafka import Topic, open_reader, topics_of
from tests.kafka import SILENT, MockCluster, Run

VERSION = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/a"}
TEXT = """
crossfoot: 1
namespace: clicks
source: {kafka: {topic: clicks, bootstrap.servers: h}, format: cloudevents}
event:
  received: {field: time, unit: iso}
  fields: {page: {path: data.page, type: text}}
metrics: {clicks: {by: [[page]], measures: {clicks: count}, grains: [all]}}
accept: {lateness: 1h}
"""


@pytest.fixture
def cluster() -> MockCluster:
    return MockCluster()


def read(cluster: MockCluster, records: int, cloudevents: bool = True) -> list[bytes]:
    """The records of the topic's first partition, as a reader hands them over."""
    topic = Topic("clicks", {"bootstrap.servers": cluster.bootstrap, **SILENT}, cloudevents=cloudevents)
    reader, found = open_reader(topic, "g", 1 << 20), []
    reader.assign(json.dumps([[0, 0, "p"]]))
    while len(found) < records:
        for _, data, columns in reader.take(1 << 20, 10_000)[1]:
            found += [data[start:end] for start, end in pairwise([0, *array("I", columns[0])])]
    reader.close()
    return found


@pytest.mark.parametrize(
    ("more", "data"),
    [
        ({"content-type": "application/json", "other": "x"}, b'{"page": "a", "paid": 1.10}'),
        ({"ce_subject": 'é"\\\n\x7f'}, b" [1] "),
        ({"content-type": "application/vnd.x+json"}, b"nonsense"),
        ({}, b'1, "id": "2"'),
        ({"Content-Type": "text/plain"}, b'a"\n'),
        ({"content-type": "application/octet-stream", "ce_datacontenttype": "text/plain"}, bytes(range(256))),
        ({}, b""),
    ],
)
def test_both_rules_of_binary_mode_are_one(cluster, more, data):
    """The reader's and the specification's."""
    cluster.put("clicks", data, headers=VERSION | more)
    wanted = structured(VERSION | more, data)
    (found,) = read(cluster, 1)
    assert found == wanted if wanted == data else json.loads(found) == json.loads(wanted)


def test_modes_may_be_mixed(cluster):
    """A message without a version in its headers is left as it is; so is every message of another format."""
    cluster.put("clicks", {"id": "2"}, headers={"ce_id": "1"})
    cluster.put("clicks", {"page": "a"}, headers=VERSION)
    cluster.put("clicks", None)
    assert read(cluster, 3)[::2] == [b'{"id": "2"}', b""]
    assert read(cluster, 3, cloudevents=False)[1] == b'{"page": "a"}'


def test_the_format_says_whether_headers_are_read():
    """It costs nothing elsewhere."""
    assert [topic.cloudevents for topic in topics_of(load_text(TEXT), {})] == [True]


def test_an_event_is_counted_once_whichever_mode_it_came_in(cluster, tmp_path):
    """An attribute that is no UTF-8 has an account of its own."""
    attributes = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "time": "2015-09-12T10:00:00Z"}
    headers = {f"ce_{name}": text for name, text in attributes.items()}
    cluster.put("clicks", {**attributes, "datacontenttype": "application/json", "data": {"page": "a"}})
    cluster.put("clicks", {"page": "a"}, headers={**headers, "content-type": "application/json"})
    cluster.put("clicks", {"page": "b"}, headers={**headers, "ce_id": "2"})
    cluster.put("clicks", {"page": "b"}, headers={**headers, "ce_id": b"\xff"})
    assert Run(cluster, tmp_path, text=TEXT).run() == {"counted": 2, "duplicate": 1, "malformed": 1}
