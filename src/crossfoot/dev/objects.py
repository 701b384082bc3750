"""Servers of objects and of HDFS for tests: one process each, that listens on the loopback interface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crossfoot.dev.emulator import speaks_http
from crossfoot.dev.processes import Processes, Program

_READY_S = 120.0
_ANSWER_S = 5.0
_MAIN = "org.apache.hadoop.mapreduce.MiniHadoopClusterManager"


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """A server, the port that it listens on, how it is started, and what it writes when it is ready, if it does."""

    name: str
    port: int
    command: tuple[str, ...]
    mark: Path | None = None

    @property
    def address(self) -> str:
        """Its address for clients."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, processes: Processes) -> None:
        """Ready when this returns."""
        if self.mark:
            self.mark.unlink(missing_ok=True)
        processes.bring_up(Program(self.name, self.command), self.answers, _READY_S)

    def answers(self) -> bool:
        """Whether it is ready for clients; waits a few seconds at most."""
        return (self.mark is None or self.mark.exists()) and speaks_http(self.address, _ANSWER_S)


def s3_server(part: Path, port: int) -> ObjectServer:
    """S3; what it holds ends with its process."""
    python = str(part / "environment" / "bin" / "python")
    return ObjectServer("s3", port, (python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)))


def gcs_server(part: Path, port: int) -> ObjectServer:
    """Google Cloud Storage; what it holds ends with its process."""
    place = ("-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}")
    return ObjectServer("gcs", port, (str(part / "emulator"), "-scheme", "http", "-backend", "memory", *place))


def azure_server(part: Path, port: int, data: Path) -> ObjectServer:
    """Azure Blob Storage."""
    program = str(part / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js")
    place = ("--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(data), "--skipApiVersionCheck")
    return ObjectServer("azure", port, ("node", program, "--silent", *place))


def hdfs_cluster(part: Path, port: int, rpc_port: int, data: Path) -> ObjectServer:
    """A name node and a data node; they keep their files in `data`. `port` is that of WebHDFS."""
    java = ("java", "-Xmx400m", f"-Dtest.build.data={data}", "-cp", f"{part}/*")
    ports = ("-nnport", str(rpc_port), "-nnhttpport", str(port))
    fresh = () if data.exists() else ("-format",)
    mark = data.with_suffix(".ready")
    return ObjectServer("hdfs", port, (*java, _MAIN, "-nomr", *fresh, *ports, "-writeDetails", str(mark)), mark)
