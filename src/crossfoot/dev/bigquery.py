"""A BigQuery emulator of one process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from crossfoot.dev.emulator import speaks_http
from crossfoot.dev.processes import Processes, Program

NAME = "bigquery"
PROJECT = "crossfoot-dev"

_START = (
    "import py_mini_racer, runpy; py_mini_racer.init_mini_racer(); "
    "runpy.run_module('bqemulator', run_name='__main__', alter_sys=True)"
)
"""Runs it. Where the processor has protection keys, the memory of JavaScript is open to the thread that begins it, and
to those begun by that one: so the first of all begins it. Another one that ran it ended the process."""
_READY_S = 60.0
_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True)
class BigQuery:
    """Where the emulator's environment is, the folder of its data, and the ports for REST and gRPC."""

    name: ClassVar[str] = NAME
    folder: Path
    data: Path
    port: int
    grpc_port: int

    @property
    def address(self) -> str:
        """Its address for clients: what `BIGQUERY_EMULATOR_HOST` takes."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage_address(self) -> str:
        """That of its gRPC."""
        return f"127.0.0.1:{self.grpc_port}"

    def start(self, processes: Processes) -> None:
        """Ready when this returns."""
        python = str(self.folder / "environment" / "bin" / "python")
        ports = ("--rest-port", str(self.port), "--grpc-port", str(self.grpc_port), "--rest-host", "127.0.0.1")
        place = ("--persistent", "--data-dir", str(self.data), "--project", PROJECT)
        command = (python, "-c", _START, "start", *place, *ports)
        program = Program(NAME, command, settings={"HOME": str(self.folder / "home")})
        processes.bring_up(program, self.answers, _READY_S)

    def answers(self) -> bool:
        """Whether it speaks HTTP; waits a second at most."""
        return speaks_http(f"{self.address}/bigquery/v2/projects", _ANSWER_S)
