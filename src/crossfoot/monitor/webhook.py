"""Alerts as JSON by POST, to a host that the process's settings allow. No redirect is followed, no proxy is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit

from crossfoot.definition.secrets import variable
from crossfoot.errors import CallError, ServiceError
from crossfoot.settings import Settings

ATTEMPTS_MAX = 3
_FIRST_PAUSE_S = 0.5
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_STATUS_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alerts go. `wait` pauses between two attempts."""

    url: SplitResult
    timeout_s: float
    wait: Callable[[float], object] = time.sleep

    def post(self, alerts: Mapping[str, Any]) -> None:
        """Until it is answered with 2xx; ServiceError after the last attempt."""
        body = json.dumps(alerts, ensure_ascii=True).encode()
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                self.wait(_FIRST_PAUSE_S * 4 ** (attempt - 1))
            problem = self._attempt(body)
            if problem is None:
                return
        what = f"the webhook of {self.url.hostname} did not take an alert in {ATTEMPTS_MAX} attempts: {problem}"
        raise ServiceError(what, "see whether it is up, and what it answers to a POST of JSON")

    def _attempt(self, body: bytes) -> str | None:
        """Why it was not taken."""
        kind = HTTPSConnection if self.url.scheme == "https" else HTTPConnection
        connection = kind(self.url.hostname or "", self.url.port, timeout=self.timeout_s)
        path = (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", "Connection": "close"})
            status = _status(connection, time.monotonic() + self.timeout_s)
        except (OSError, HTTPException) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()
        return None if 200 <= status < 300 else f"it answered {status}"


def _status(connection: HTTPConnection, until_s: float) -> int:
    """The answer's number: its first line is all that is read, and it has to be there in time, however it drips."""
    line, left_s = b"", until_s - time.monotonic()
    while b"\n" not in line and len(line) < _STATUS_BYTES_MAX:
        if left_s <= 0:
            raise TimeoutError("timed out")
        connection.sock.settimeout(left_s)
        more = connection.sock.recv(_STATUS_BYTES_MAX)
        if not more:
            break
        line, left_s = line + more, until_s - time.monotonic()
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise HTTPException("it did not answer by HTTP")
    return int(words[1])


def webhook_of(text: str | None, settings: Settings, environment: Mapping[str, str]) -> Webhook | None:
    """The webhook of a definition; CallError where its host is not allowed."""
    if text is None:
        return None
    if (name := variable(text)) is not None:
        if name not in environment:
            raise CallError(f"the environment has no value for monitor.webhook: {name}", f"set it: export {name}=…")
        text = environment[name]
    url = _split(text)
    host = f"{url.hostname}:{url.port}" if url.port else url.hostname
    allowed = {part.strip().lower() for part in settings.webhook_hosts.split(",")} - {""}
    if not {host, url.hostname} & allowed:
        hint = f"allow it, if it is yours: export CROSSFOOT_WEBHOOK_HOSTS={host}"
        raise CallError(f"alerts may not be posted to this host: {host}", hint)
    if url.scheme != "https" and url.hostname not in _LOOPBACK:
        raise CallError(f"alerts are posted by https only, other than on this machine: {host}", "write https://")
    return Webhook(url, settings.webhook_seconds)


def _split(text: str) -> SplitResult:
    """What is wrong is said without the URL, which may hold a secret."""
    try:
        url = urlsplit(text)
        is_whole = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        is_whole = False
    if not is_whole or url.username or not text.isascii() or not text.isprintable() or " " in text:
        raise CallError("monitor.webhook is no URL of http or https", "write it as in https://hooks.example.org/path")
    return url
