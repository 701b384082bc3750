"""Services that the tests of this folder share; each is started by the first test that asks for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from crossfoot.bigquery import HOST as BIGQUERY_HOST
from crossfoot.bigquery import STORAGE_HOST
from crossfoot.dev.bigquery import BigQuery
from crossfoot.dev.bigtable import Bigtable
from crossfoot.dev.broker import free_ports
from crossfoot.dev.objects import ObjectServer, azure_server, gcs_server, hdfs_cluster, s3_server
from crossfoot.dev.parts import AZURE, BIGQUERY, BIGTABLE, GCS, HDFS, PUBSUB, S3
from crossfoot.dev.processes import Processes
from crossfoot.dev.pubsub import PubSub
from crossfoot.sources.pubsub_client import HOST
from crossfoot.stores.bigtable_table import HOST as BIGTABLE_HOST
from tests.bigquery import Dataset
from tests.services.beaming import Beam
from tests.services.broker import Broker
from tests.services.parts import part

Server = TypeVar("Server", PubSub, Bigtable, BigQuery, ObjectServer)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a service."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.services)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests; each makes topics of its own."""
    started = Broker(tmp_path_factory.mktemp("broker"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    """One Pub/Sub emulator for all tests; each makes topics of its own. Clients take `address`."""
    yield from _served(PubSub(part(PUBSUB), *free_ports(0)), tmp_path_factory)


class Restart:
    """Ends an emulator, which loses what it holds, and starts it again at the same address."""

    def __init__(self, emulator: PubSub, processes: Processes) -> None:
        self.emulator, self.processes, self.is_up = emulator, processes, False

    def up(self) -> None:
        self.emulator.start(self.processes)
        self.is_up = True

    def down(self) -> None:
        self.processes.stop([self.emulator.name], seconds=0)
        self.is_up = False


@pytest.fixture
def lone_pubsub(tmp_path: Path) -> Iterator[tuple[PubSub, Restart]]:
    """A Pub/Sub emulator for one test, which may end it and start it again."""
    restart = Restart(PubSub(part(PUBSUB), *free_ports(0)), Processes(tmp_path / "pubsub"))
    restart.up()
    yield restart.emulator, restart
    restart.down()


@pytest.fixture(scope="session")
def bigtable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bigtable]:
    """One Bigtable emulator for all tests; each makes tables of its own."""
    yield from _served(Bigtable(part(BIGTABLE), *free_ports(0)), tmp_path_factory)


@pytest.fixture
def lone_bigtable(tmp_path: Path) -> Iterator[tuple[Bigtable, int]]:
    """A Bigtable emulator for one test, and the process that it may stop."""
    processes, emulator = Processes(tmp_path / "bigtable"), Bigtable(part(BIGTABLE), *free_ports(0))
    emulator.start(processes)
    known = processes.known(emulator.name)
    assert known is not None
    yield emulator, known.pid
    processes.stop([emulator.name], seconds=0)


@pytest.fixture
def beam(bigtable: Bigtable, pubsub: PubSub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Beam]:
    """Beam's environment, whose workers find the emulators."""
    monkeypatch.setenv(BIGTABLE_HOST, bigtable.address)
    started = Beam(tmp_path, {HOST: pubsub.address})
    yield started
    started.stop()


@pytest.fixture(scope="session")
def bigquery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQuery]:
    """One BigQuery emulator for all tests; each makes a dataset of its own."""
    data = tmp_path_factory.mktemp("bigquery") / "data"
    yield from _served(BigQuery(part(BIGQUERY), data, *free_ports(0, 0)), tmp_path_factory)


@pytest.fixture
def dataset(bigquery: BigQuery, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset of its own for a test, which finds the emulator by variables."""
    monkeypatch.setenv(BIGQUERY_HOST, bigquery.address)
    monkeypatch.setenv(STORAGE_HOST, bigquery.storage_address)
    return Dataset.of(bigquery).name


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """One S3 server for all tests; each makes a bucket of its own."""
    yield from _served(s3_server(part(S3), *free_ports(0)), tmp_path_factory)


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """One Cloud Storage server for all tests; each makes a bucket of its own."""
    yield from _served(gcs_server(part(GCS), *free_ports(0)), tmp_path_factory)


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """One Azure Blob server for all tests; each makes a container of its own."""
    data = tmp_path_factory.mktemp("azure") / "data"
    yield from _served(azure_server(part(AZURE), *free_ports(0), data), tmp_path_factory)


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """One HDFS for all tests; each makes a folder of its own."""
    data = tmp_path_factory.mktemp("hdfs") / "data"
    yield from _served(hdfs_cluster(part(HDFS), *free_ports(0, 0), data), tmp_path_factory)


def _served(server: Server, factory: pytest.TempPathFactory) -> Iterator[Server]:
    processes = Processes(factory.mktemp(server.name))
    server.start(processes)
    yield server
    processes.stop([server.name], seconds=0)
