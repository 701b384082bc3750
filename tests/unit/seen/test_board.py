"""The status socket and the metrics: the last published state, for whoever asks."""

import os
import socket
import stat
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from crossfoot.errors import CallError, ServiceError
from crossfoot.seen.board import Showing, shown
from crossfoot.seen.socket import ask
from crossfoot.seen.state import Retry
from tests.unit.seen.states import FORWARDING, FULL, state


def samples(address: str) -> dict[tuple[str, ...], float]:
    """Every sample of `/metrics`: name and values of labels -> number."""
    with urllib.request.urlopen(address) as answer:
        text = answer.read().decode()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in found}


def test_the_socket_gives_the_last_published_state(tmp_path):
    """As often as it is asked."""
    with shown("run", Showing(tmp_path / "s")) as board:
        board.publish(state())
        board.publish(FULL)
        assert [ask(tmp_path / "s") for _ in "12"] == [FULL, FULL]


def test_only_its_owner_may_ask(tmp_path):
    """The mode is that of a secret; the path is free again at the end."""
    with shown("run", Showing(tmp_path / "s")):
        mode = (tmp_path / "s").stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_replaced(tmp_path):
    """A socket that nobody answers at."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    with shown("run", Showing(tmp_path / "s")) as board:
        board.publish(FULL)
        assert ask(tmp_path / "s") == FULL


def test_a_socket_at_which_another_answers_is_not_taken(tmp_path):
    """Two services would look like one."""
    with (
        shown("relay", Showing(tmp_path / "s")),
        pytest.raises(CallError, match="another service answers"),
        shown("relay", Showing(tmp_path / "s")),
    ):
        pass


def test_a_long_path_has_a_socket_too(tmp_path):
    """An address has room for about a hundred bytes; a store may lie deeper."""
    deep = Path(tmp_path / ("d" * 120))
    deep.mkdir()
    with shown("run", Showing(deep / "s")) as board:
        board.publish(FULL)
        assert ask(deep / "s") == FULL


def test_who_connects_and_says_nothing_holds_nobody_up(tmp_path):
    """Publishing goes on, and so do the answers."""
    with shown("run", Showing(tmp_path / "s")) as board, socket.socket(socket.AF_UNIX) as silent:
        silent.connect(os.fspath(tmp_path / "s"))
        board.publish(FULL)
        assert ask(tmp_path / "s") == FULL


def test_where_nothing_runs_nobody_answers(tmp_path):
    """One clear line, and what to do."""
    with pytest.raises(ServiceError, match="no service answers at") as caught:
        ask(tmp_path / "s")
    assert "crossfoot run" in caught.value.hint


def test_metrics_are_read_by_the_parser_of_prometheus():
    """Each number under its name; the port is in the state."""
    with shown("run", Showing(metrics_port=0)) as board:
        told = board.publish(FULL)
        assert told.metrics is not None
        assert told.metrics.startswith("http://127.0.0.1:")
        found = samples(told.metrics)
    assert found["crossfoot_info", "clicks", "run", "1"] == 1
    assert found["crossfoot_records_total", "duplicate"] == 8
    assert found["crossfoot_lag_records", "kafka:clicks/0"] == 40
    assert found["crossfoot_lag_seconds", "kafka:clicks/0"] == 2.5
    assert ("crossfoot_lag_seconds", "kafka:clicks/1") not in found
    assert found["crossfoot_epoch_commit_seconds_count",] == 2
    assert found["crossfoot_watermark_timestamp_seconds",] == 1_442_052_000
    assert found["crossfoot_queue_bytes", "kafka:clicks"] == 1024
    assert found["crossfoot_retries_total",] == 5
    assert found["crossfoot_checkpoints_total",] == 1
    assert found["crossfoot_sink_behind_epochs", "kafka:cells"] == 2
    assert found["crossfoot_read_bytes",] == 5


def test_what_a_service_has_not_is_no_metric():
    """One in front of a store has no epochs; what only grows is a counter."""
    with shown("relay", Showing(metrics_port=0)) as board:
        found = samples(board.publish(FORWARDING).metrics or "")
    parts = ("epoch", "checkpoints", "batch", "watermark", "clock_timestamp")
    assert [name for name, *_ in found if any(part in name for part in parts)] == []
    assert found["crossfoot_requests_sent_again_total",] == 4


def test_a_reason_that_a_note_has_told_is_not_told_again(capsys):
    """Who fails is a change of state nevertheless."""
    told: list[str] = []
    with shown("run", Showing(log="text")) as board:
        note = board.noting(told.append)
        board.publish(state())
        note("kafka:clicks: no broker; it is tried again")
        board.publish(state(retrying=(Retry("kafka:clicks", 1, "no broker"), Retry("socket:in", 1, "no room"))))
        board.publish(state())
        board.publish(state(retrying=(Retry("kafka:clicks", 1, "no broker"),)))
    assert told == ["kafka:clicks: no broker; it is tried again"]
    lines = [line.partition(" run ")[2] for line in capsys.readouterr().err.splitlines()]
    assert [line for line in lines if line.startswith("retry_begins")] == [
        "retry_begins place=kafka:clicks",
        'retry_begins place=socket:in reason="no room"',
        'retry_begins place=kafka:clicks reason="no broker"',
    ]


def test_a_port_that_is_taken_is_named():
    """With the way out."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CallError, match=f"127.0.0.1:{port}"), shown("run", Showing(metrics_port=port)):
            pass


def test_the_last_state_says_that_the_service_stops():
    """Also where it ends by an error."""
    kept = []

    def fail() -> None:
        with shown("run", Showing()) as board:
            kept.append(board)
            board.publish(FULL)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert kept[0].state.phase == "stopping"
