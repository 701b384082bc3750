"""Services that the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.broker import Broker


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
