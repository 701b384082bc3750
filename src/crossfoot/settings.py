"""Settings of a process, as one table that feeds the command line, the documentation and the tests.

Settings that belong to the data (grains, horizon, limits) are in the definition, never here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from crossfoot.errors import CallError

PREFIX = "CROSSFOOT_"


def _size(text: str) -> int:
    """A number of bytes, with an optional K, M or G (powers of 1024)."""
    digits, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in ("K", "M", "G") else (text, "")
    number = int(digits) << {"": 0, "K": 10, "M": 20, "G": 30}[unit]
    if number <= 0:
        raise ValueError("must be positive")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError("must be positive")
    return number


def _count(text: str) -> int:
    number = int(text)
    if not 0 < number <= 64:
        raise ValueError("must be from 1 to 64")
    return number


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 16:
        raise ValueError("must be a port")
    return number


def _log_form(text: str) -> str:
    if text not in ("", "json", "text"):
        raise ValueError("must be json or text")
    return text


def _setting(default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"read": read, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Settings:
    """The values that a process runs with."""

    block_bytes: int = _setting(1 << 20, _size, "bytes read and handed to the core at once")
    commit_seconds: float = _setting(1.0, _seconds, "an epoch is written at least this often")
    commit_bytes: int = _setting(256 << 20, _size, "an epoch is written after this many bytes of input")
    checkpoint_bytes: int = _setting(
        512 << 20, _size, "the journal is moved into the store's tables at this size, a minute later at a quarter"
    )
    pending_bytes: int = _setting(1 << 30, _size, "the same, when its content takes this much memory")
    epoch_seconds: float = _setting(0.25, _seconds, "live sources: an epoch is written at least this often")
    epoch_seconds_max: float = _setting(2.0, _seconds, "live sources: so far apart are epochs whose commits take long")
    queue_bytes: int = _setting(32 << 20, _size, "live sources: bytes that may wait to be counted, each source")
    idle_seconds: float = _setting(1.0, _seconds, "live sources: how often ends, new partitions and lag are asked for")
    connect_seconds: float = _setting(10.0, _seconds, "live sources: how long the first answer is waited for")
    parts: str = _setting("", str, "where brokers and emulators are kept; a folder of the user's cache unless named")
    log_segment_bytes: int = _setting(16 << 20, _size, "our own log: size of a file, which is sealed or deleted whole")
    log_backlog_bytes: int = _setting(1 << 30, _size, "our own log: bytes that may wait to be counted, each source")
    archive_segment_bytes: int = _setting(16 << 20, _size, "the archive: a part is written after this many bytes")
    archive_seconds: float = _setting(300.0, _seconds, "the archive: a part is written at least this often")
    pubsub_gzip: bool = _setting(False, _switch, "1 compresses what is published to Pub/Sub")
    pubsub_streams: int = _setting(4, _count, "streams by which a Pub/Sub subscription is pulled")
    sink_seconds: float = _setting(1.0, _seconds, "sinks get the changed cells at most this often")
    parquet_seconds: float = _setting(60.0, _seconds, "the same for Parquet folders: each time is a file")
    warehouse_seconds: float = _setting(60.0, _seconds, "the same for the feeds of warehouses: each time is a part")
    feed_bytes: int = _setting(64 << 20, _size, "the raw feed: a part is written after this many bytes of input")
    outbox_bytes: int = _setting(
        1 << 30, _size, "the raw feed: bytes that may wait to be shipped; then it reads no more"
    )
    sink_wait_seconds: float = _setting(5.0, _seconds, "how long the end of a run waits for sinks that are behind")
    webhook_hosts: str = _setting("", str, "hosts that alerts may be posted to: a.example.org,127.0.0.1:8080; none")
    webhook_seconds: float = _setting(5.0, _seconds, "how long an attempt to post an alert may take")
    metrics_port: int | None = _setting(None, _port, "serve /metrics for Prometheus here; 0: any free port")
    metrics_host: str = _setting("127.0.0.1", str, "the address that /metrics is served at")
    status_socket: str = _setting("", str, "the path of the status socket; of run: status.sock in the store")
    log: str = _setting("", _log_form, "json or text: one line on stderr for each change of state, and each note")
    traceback: bool = _setting(False, _switch, "1 shows where a fault of ours happened")
    crash: str = _setting("", str, "for tests: STEP:N ends the process by SIGKILL at the Nth pass of a durable step")


@dataclass(frozen=True, slots=True)
class Origin:
    """A setting with its value and where that comes from."""

    name: str
    variable: str
    value: object
    origin: str
    meaning: str


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings, with what `CROSSFOOT_` variables say in place of the defaults."""
    environment = os.environ if environment is None else environment
    given: dict[str, object] = {}
    for item in fields(Settings):
        text = environment.get(variable_of(item.name))
        if text is None:
            continue
        try:
            given[item.name] = item.metadata["read"](text)
        except ValueError as error:
            message = f"{variable_of(item.name)} is not a valid setting: {text!r}"
            raise CallError(message, f"{item.metadata['meaning']}; the default is {item.default}") from error
    return Settings(**given)  # type: ignore[arg-type]


def chosen(**options: object) -> Settings:
    """The settings, with what options of a command say in place of the environment; None: not given."""
    given = {name: value for name, value in options.items() if value is not None}
    return replace(load(), **given)  # type: ignore[arg-type]


def environment() -> Mapping[str, str]:
    """What secrets are read from."""
    return os.environ


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def origins(environment: Mapping[str, str] | None = None) -> list[Origin]:
    """Every setting with its value and origin."""
    environment = os.environ if environment is None else environment
    loaded = load(environment)
    return [
        Origin(
            item.name,
            variable_of(item.name),
            getattr(loaded, item.name),
            "environment" if variable_of(item.name) in environment else "default",
            item.metadata["meaning"],
        )
        for item in fields(Settings)
    ]
