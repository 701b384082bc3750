"""Apache Flink: only where a job server of Beam's is named. Workers and emulators are those of this machine."""

from __future__ import annotations

import os
import signal

import pytest

from crossfoot.dev.broker import free_ports
from tests.services.beaming import RUN, Beam, Clicks, until

VARIABLE = "CROSSFOOT_TEST_FLINK"
HOW = f"set {VARIABLE} to HOST:PORT of a job server of Beam's whose Flink runs on this machine"


def test_flink_counts_a_subscription(beam: Beam, pubsub, tmp_path):
    """Blocks of events, each message published twice: every cell as the embedded engine has it."""
    if VARIABLE not in os.environ:
        pytest.skip(HOW)
    (port,) = free_ports(0)
    beam.workers(port)
    given = {
        "job_endpoint": os.environ[VARIABLE],
        "environment_type": "EXTERNAL",
        "environment_config": f"localhost:{port}",
        "checkpointing_interval": "5000",
    }
    events = Clicks(tmp_path, pubsub.address, 20_000)
    events.place.publish(*events.messages, *reversed(events.messages))
    options = [word for key, value in given.items() for word in ("--option", f"{key}={value}")]
    process = beam.start(*RUN, str(events.definition), "--runner", "portable", *options)
    until(process, events.table, 2 * len(events.lines))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    events.assert_counted(2 * len(events.lines))
