"""One store of a shop's events for all tests of the room."""

import pytest

from tests.reconciling import Shop, open_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A store of twenty thousand events, with its archive."""
    return open_shop(tmp_path_factory.mktemp("shop"), 20_000)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A store of a thousand events."""
    return open_shop(tmp_path_factory.mktemp("small"), 1_000)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A store of sixty thousand events."""
    return open_shop(tmp_path_factory.mktemp("large"), 60_000)
