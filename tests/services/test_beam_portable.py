"""A pipeline handed to a job server, with workers that are named to it: Prism's, and Flink's where one is named."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from crossfoot.dev.broker import free_ports
from crossfoot.dev.pubsub import PubSub
from tests.services.beaming import RUN, Beam, Clicks, until

VARIABLE = "CROSSFOOT_TEST_FLINK"
HOW = f"set {VARIABLE} to HOST:PORT of a job server of Beam's whose Flink runs on this machine"


def test_a_job_server_counts_a_subscription(beam: Beam, pubsub: PubSub, tmp_path: Path):
    """Prism, begun by itself."""
    (port,) = free_ports(0)
    server = [beam.prism, f"-job_port={port}", "-serve_http=false"]
    beam.processes.append(Popen(server, stdout=DEVNULL, stderr=DEVNULL, text=True, start_new_session=True))
    counted(beam, pubsub, tmp_path, f"localhost:{port}")


def test_flink_counts_a_subscription(beam: Beam, pubsub: PubSub, tmp_path: Path):
    """A bundle is final with a checkpoint there."""
    if VARIABLE not in os.environ:
        pytest.skip(HOW)
    counted(beam, pubsub, tmp_path, os.environ[VARIABLE], "--option", "checkpointing_interval=5000")


def counted(beam: Beam, pubsub: PubSub, folder: Path, endpoint: str, *more: str) -> None:
    """Each message published twice: every cell as the embedded engine has it."""
    (port,) = free_ports(0)
    beam.workers(port)
    given = {"job_endpoint": endpoint, "environment_type": "EXTERNAL", "environment_config": f"localhost:{port}"}
    options = [word for key, value in given.items() for word in ("--option", f"{key}={value}")]
    events = Clicks(folder, pubsub.address, 20_000)
    events.place.publish(*events.messages, *reversed(events.messages))
    process = beam.start(*RUN, str(events.definition), "--runner", "portable", *options, *more)
    until(process, events.table, 2 * len(events.lines))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    events.assert_counted(2 * len(events.lines))
