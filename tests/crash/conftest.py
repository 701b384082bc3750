"""No process outlives the test that has started it."""

from collections.abc import Iterator

import pytest

from tests.crash.processes import end_all


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    end_all()
