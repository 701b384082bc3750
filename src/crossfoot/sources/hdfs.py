"""Files of HDFS, through its WebHDFS and fsspec.

The number that the name node gives a file is its inode, so one that is appended to is the file it was, grown.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from fsspec.implementations.webhdfs import WebHDFS
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from crossfoot.errors import CallError, CrossfootError, DataError, ServiceError
from crossfoot.sources.partition import State
from crossfoot.sources.remote import Pattern, RemoteFile, Url, is_hidden, without_secrets

PORT = 9870
"""Where a name node speaks HTTP, unless the URL says otherwise."""
_T = TypeVar("_T")
_ANSWER_S = (10.0, 30.0)
"""To connect, and between two bytes."""
_RETRIES_MAX, _READS_MAX = 6, 2
# Its warnings show the whole URL of what is asked for again, with the token in it.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
_BROKE_OFF = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
_AGAIN = (429, 502, 503, 504)
_OPTIONS = ("kerberos", "password", "proxy_to", "session_cert", "session_verify", "token", "use_https", "user")
_USER = "HADOOP_USER_NAME"


def hdfs_of(url: Url, options: Mapping[str, str], environment: Mapping[str, str]) -> Hdfs:
    """The name node that a URL names."""
    host, _, port = url.authority.partition(":")
    if port and not port.isdecimal():
        raise CallError(f"{url.authority} is no server", f"write hdfs://HOST:PORT/PATH; the port of WebHDFS is {PORT}")
    if unknown := sorted(set(options) - set(_OPTIONS)):
        raise CallError(f"hdfs:// has no option {unknown[0]}", f"options are {', '.join(_OPTIONS)}")
    typed: dict[str, Any] = {name: {"true": True, "false": False}.get(text, text) for name, text in options.items()}
    if environment.get(_USER) and not {"token", "user", "kerberos"} & set(typed):
        typed["user"] = environment[_USER]
    try:
        system = WebHDFS(host, int(port or PORT), skip_instance_cache=True, use_listings_cache=False, **typed)
    except (ValueError, ImportError) as error:
        raise CallError(f"{url.root} cannot be opened: {error}", "see the options of the source") from error
    for scheme in ("http://", "https://"):
        system.session.mount(scheme, _Patient())
    return Hdfs(system, f"{url.scheme}://{host}:{port or PORT}", options)


class _Patient(HTTPAdapter):
    """Asks again where nothing answers, and never waits without an end."""

    def __init__(self) -> None:
        again = Retry(_RETRIES_MAX, read=_READS_MAX, backoff_factor=0.1, backoff_max=5, status_forcelist=_AGAIN)
        super().__init__(max_retries=again)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """One request."""
        return super().send(request, *args, **{**kwargs, "timeout": kwargs.get("timeout") or _ANSWER_S})


@dataclass(frozen=True, slots=True)
class Hdfs:
    """A name node; `root` is the beginning of its files' names."""

    system: WebHDFS
    root: str
    options: Mapping[str, str]

    def find(self, url: Url) -> Iterable[RemoteFile]:
        """One file, the files below a folder, or those that match a pattern."""
        path = f"/{url.path}".rstrip("/")
        if pattern := Pattern.of(path):
            found = self._below(pattern.folder, pattern.depth)
            return [self._file(each) for each in found if pattern.matches(each["name"])]
        try:
            one = self._asked(lambda: self.system.info(path or "/"))
        except FileNotFoundError:
            return []
        return map(self._file, [one] if one["type"] == "file" else self._below(path, None))

    def _below(self, folder: str, depth: int | None) -> Iterator[Mapping[str, Any]]:
        """The files below a folder. A walk of fsspec's would leave out what cannot be listed."""
        try:
            found = self._asked(lambda: self.system.ls(folder or "/", detail=True))
        except FileNotFoundError:
            return
        for each in found:
            if is_hidden(each["name"], folder):
                continue
            if each["type"] == "file":
                yield each
            elif depth is None or depth > 0:
                yield from self._below(each["name"], None if depth is None else depth - 1)

    def _file(self, info: Mapping[str, Any]) -> RemoteFile:
        path = info["name"]
        state = State(info.get("fileId", 0), info["length"], (info["modificationTime"] * 1_000_000, 0))
        return RemoteFile(f"{self.root}{path}", state, lambda start, end: self._fetch(path, start, end))

    def _fetch(self, path: str, start: int, end: int) -> bytes:
        """Fewer bytes where it broke off. A file's own reader would take a data node's complaint for its bytes."""
        try:
            answer = self._asked(lambda: self.system._call("OPEN", path=path, offset=start, length=end - start))  # noqa: SLF001
        except _BROKE_OFF:
            return b""
        except FileNotFoundError as error:
            raise DataError(f"{self.root}{path} is gone since it was found", "leave it out, then run again") from error
        return bytes(answer.content[: end - start])

    def _asked(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except (FileNotFoundError, *_BROKE_OFF):
            raise
        except (requests.RequestException, RuntimeError, ValueError, PermissionError) as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> CrossfootError:
        reason = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
        said = reason[1].lower() if reason else without_secrets(str(error), self.options)
        if isinstance(error, PermissionError):
            hint = f"name who asks: `options: {{user: NAME}}`, or {_USER}"
            return ServiceError(f"{self.root} does not let us read: {said}", hint)
        hint = f"check that WebHDFS listens there: its port, {PORT} mostly, is not that of hdfs dfs; then run again"
        return ServiceError(f"{self.root} does not answer: {said}", hint)
