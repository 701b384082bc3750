"""Files whose bytes come from elsewhere: objects of a bucket, files of HDFS.

Each is found with its size and with what tells it from another one (an ETag, a generation, a file number), and is then
read by ranges: from there on it is a file like any other. Its name is its URL.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import IO, Protocol

from crossfoot.definition.model import Definition, FileSource, Settings
from crossfoot.definition.secrets import may_be_secret, resolve
from crossfoot.errors import CallError, DataError, ServiceError
from crossfoot.sources.partition import State

READ_BYTES = 8 << 20
"""So much is asked for at once."""
TIMES_MAX = 5
"""A range that breaks off is asked for so often."""
LOCAL = "file"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_OBJECTS = ("s3", "gs", "az", "abfs", "abfss")
_HDFS = "hdfs"
_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "azure": "az", "adl": "az", "webhdfs": _HDFS}


@dataclass(frozen=True, slots=True)
class Url:
    """`scheme://authority/path`; the path may be a pattern."""

    scheme: str
    authority: str
    path: str

    @property
    def root(self) -> str:
        """Bucket or service, without a slash at its end."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return f"{self.root}/{self.path}"


Fetch = Callable[[int, int], bytes]
"""Bytes from here up to there; fewer where something broke off."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as it was found."""

    url: str
    state: State
    fetch: Fetch

    def open(self, buffer_bytes: int) -> IO[bytes]:
        """Its bytes, of which so many are asked for at once."""
        return io.BufferedReader(_Ranges(self), buffer_bytes)


class _Ranges(io.RawIOBase):
    """As many bytes as there were when the file was found; it may have grown since."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.state.bytes}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, into: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(into), self._file.state.bytes - self._at))
        if wanted:
            into[:wanted] = self._read(self._at, self._at + wanted)
            self._at += wanted
        return wanted

    def _read(self, start: int, end: int) -> bytes:
        data = b""
        for _ in range(TIMES_MAX):
            data += self._file.fetch(start + len(data), end)
            if len(data) == end - start:
                return data
        what = f"{self._file.url} broke off at byte {start + len(data)}, {TIMES_MAX} times"
        raise ServiceError(what, "run again: what was counted stays")


class Elsewhere(Protocol):
    """A service that holds files."""

    def find(self, url: Url) -> Iterable[RemoteFile]:
        """The file of this name, the files below it, or those that match it; none where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Remote:
    """How services are reached: the options of the text that names the files, or else `others`."""

    options: Mapping[str, Settings] = field(default_factory=dict)
    others: Settings = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find(self, text: str) -> dict[str, RemoteFile]:
        """The files that a URL stands for; DataError where there are none."""
        url = url_of(text)
        settings = self.options.get(text, self.others)
        found = {file.url: file for file in _service(url, settings, self.environment).find(url)}
        if not found:
            raise DataError(f"no object matches {text}", "check the URL; a folder ends in /, a pattern has * or **")
        return found


NOWHERE = Remote()
"""Without options and environment."""


def remote_of(definition: Definition, environment: Mapping[str, str]) -> Remote:
    """As a definition's sources say; others have the options of the only source of URLs, or of files."""
    sources = [source for source in definition.sources if isinstance(source, FileSource)]
    options = {text: source.options for source in sources for text in source.files}
    named = [source for source in sources if any(map(is_elsewhere, source.files))]
    others = {source.options for source in named or sources}
    return Remote(options, others.pop() if len(others) == 1 else (), environment)


def scheme_of(text: str) -> str:
    """The scheme of a URL; empty for a path."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else ""


def is_elsewhere(text: str) -> bool:
    """Whether it is the URL of something that is not on this machine."""
    return scheme_of(text) not in ("", LOCAL)


def url_of(text: str) -> Url:
    """The parts of a URL, one spelling for each scheme; CallError for one that nothing reads."""
    scheme = scheme_of(text)
    known = _SAME.get(scheme, scheme)
    if known not in (*_OBJECTS, _HDFS):
        raise CallError(f"nothing reads {scheme}://", f"URLs are {', '.join(f'{each}://' for each in _URLS)}")
    authority, _, path = text[len(scheme) + len("://") :].partition("/")
    name, at, account = authority.rpartition("@")
    if at and (known not in ("abfs", "abfss") or ":" in name):
        hint = "write who asks under `options`, secrets as ${NAME}: they are read from the environment"
        raise CallError(f"a URL of {known}:// holds no user and no password", hint)
    if not (authority if not at else name and account):
        raise CallError(f"{known}:// names no bucket or server", f"write {known}://NAME/PATH")
    return Url(known, authority, path)


_URLS = (*_OBJECTS, _HDFS, LOCAL)


def is_hidden(path: str, folder: str) -> bool:
    """Whether a file below a folder is none of the data: names that begin with a dot or an underscore."""
    parts = path.removeprefix(folder).split("/")
    return any(part.startswith((".", "_")) for part in parts) or path.endswith("._COPYING_")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path with `*`, `**`, `?` or `[…]`, which mean what they mean for files: the folder above, and what matches."""

    folder: str
    matches: Callable[[str], object]
    depth: int | None
    """How many folders below that one what matches lies at most; None where `**` has no bound."""

    @classmethod
    def of(cls, path: str) -> Pattern | None:
        """None for a path that is no pattern."""
        sign = re.search(r"[*?\[]", path)
        if sign is None:
            return None
        from fsspec.utils import glob_translate

        folder = path[: sign.start()].rpartition("/")[0]
        depth = None if "**" in path else path[sign.start() :].count("/")
        return cls(folder, re.compile(glob_translate(path)).fullmatch, depth)


def _service(url: Url, settings: Settings, environment: Mapping[str, str]) -> Elsewhere:
    need_package(url.scheme)
    options = resolve(settings, environment)
    if url.scheme == _HDFS:
        from crossfoot.sources.hdfs import hdfs_of

        return hdfs_of(url, options, environment)
    from crossfoot.sources.objects import bucket_of

    return bucket_of(url, options)


def need_package(scheme: str) -> None:
    """CallError where what reads such URLs is not installed."""
    wanted = ("fsspec", "requests") if scheme == _HDFS else ("obstore", "fsspec")
    if missing := [name for name in wanted if find_spec(name) is None]:
        raise CallError(f"{scheme}:// needs the package {missing[0]}", "pip install 'crossfoot[objects]'")


def without_secrets(text: str, options: Mapping[str, str]) -> str:
    """The first line of what was said: no query of a URL, where signatures are, and no secret of ours."""
    said = re.sub(r"\?[^\s>\"')]*", "", next(iter(text.splitlines()), "it said nothing"))
    for name, value in options.items():
        if may_be_secret(name) and value:
            said = said.replace(value, "…")
    return said
