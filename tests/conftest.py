"""What all tests share: where the project is, Ctrl-C, and hypothesis set to give the same cases on every machine."""

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("campaign", deadline=None, max_examples=20_000, suppress_health_check=list(HealthCheck))
settings.load_profile("suite")

# In the background of a shell the suite ignores Ctrl-C, and the programs that tests interrupt would do so too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of the project."""
    return Path(__file__).resolve().parent.parent
