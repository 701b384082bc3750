"""`--metrics-port` of every service that serves metrics."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from crossfoot.cli import main
from crossfoot.services.group.status import Status
from crossfoot.settings import Settings
from tests.counting import CLICKS


@pytest.fixture(params=["preprocess", "relay"])
def job(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A service that keeps the settings that it was run with."""
    module = importlib.import_module(f"crossfoot.services.{request.param}.job")
    module.asked = []
    monkeypatch.setattr(module, "job_of", lambda *_: None)

    def run(_job: None, settings: Settings, _watch: object) -> Status:
        module.asked.append(settings.metrics_port)
        return Status("clicks", "prepared", "group", ())

    monkeypatch.setattr(module, request.param, run)
    return module


def test_a_service_that_shares_a_topic_serves_metrics_at_a_port(job: ModuleType, tmp_path: Path):
    """It is that of the environment unless it is named."""
    (tmp_path / "clicks.yaml").write_text(CLICKS)
    command = [job.__name__.split(".")[-2], str(tmp_path / "clicks.yaml")]
    assert [main(command), main([*command, "--metrics-port", "9100"])] == [0, 0]
    assert job.asked == [None, 9100]
