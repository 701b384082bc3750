"""Objects of a bucket (S3, Google Cloud Storage, Azure) as files, through obstore.

An object is never changed, only replaced: its ETag (else its version, else the time of its last change) is what its
inode is to a file. Every range is asked for on the condition that the ETag is still the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from crossfoot.errors import CallError, CrossfootError, DataError, ServiceError
from crossfoot.sources.partition import State
from crossfoot.sources.remote import Pattern, RemoteFile, Url, is_hidden, without_secrets

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_T = TypeVar("_T")
_RETRIES_MAX = 6
_RETRY_S = 60
# Where a machine of a cloud is asked for its rights; asked for lack of anything else.
_CREDENTIALS = ("169.254.169.254", "metadata.google.internal", "/metadata/identity")
_HINT = "log in as the tools of the service do, or name the secrets under `options`"
_HINTS = {
    "s3": "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a public bucket `options: {skip_signature: 'true'}`",
    "gs": "gcloud auth application-default login; for a public bucket `options: {skip_signature: 'true'}`",
    "az": "export AZURE_STORAGE_ACCOUNT_KEY, or what else its tools take; AZURE_SKIP_SIGNATURE=true for a public one",
}
# Options of every kind of store, which obstore takes apart from the others.
_CLIENT = frozenset(
    {"allow_http", "allow_invalid_certificates", "connect_timeout", "default_content_type", "http1_only"}
    | {"http2_keep_alive_interval", "http2_keep_alive_timeout", "http2_keep_alive_while_idle", "http2_only"}
    | {"pool_idle_timeout", "pool_max_idle_per_host", "proxy_ca_certificate", "proxy_excludes", "proxy_url"}
    | {"randomize_addresses", "read_timeout", "root_certificate", "timeout", "user_agent"}
)


def bucket_of(url: Url, options: Mapping[str, str]) -> Bucket:
    """The bucket that a URL names; options and the environment say how it is reached."""
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2}
    retries: Any = {"max_retries": _RETRIES_MAX, "retry_timeout": timedelta(seconds=_RETRY_S), "backoff": backoff}
    plain = {re.sub("^(aws|google|azure)_", "", name): name for name in options}
    client: Any = {short: _typed(options[name]) for short, name in plain.items() if short in _CLIENT}
    others: Any = {name: options[name] for short, name in plain.items() if short not in _CLIENT}
    try:
        store = from_url(url.root, config=others or None, client_options=client or None, retry_config=retries)
    except (BaseError, ValueError, TypeError) as error:
        said = without_secrets(str(error), options)
        hint = "see the options of the source, and the variables of the environment"
        raise CallError(f"{url.root} cannot be opened: {said}", hint) from error
    return Bucket(store, url.root, options)


def _typed(text: str) -> str | bool:
    return {"true": True, "false": False}.get(text.lower(), text)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket or a container; `root` is the beginning of its objects' names."""

    store: ObjectStore
    root: str
    options: Mapping[str, str]

    def find(self, url: Url) -> Iterator[RemoteFile]:
        """One object, the objects below it, or those that match it."""
        path = url.path
        if pattern := Pattern.of(path):
            yield from (self._file(each) for each in self._below(pattern.folder) if pattern.matches(each["path"]))
            return
        if path and not path.endswith("/") and (one := self._head(path)):
            yield self._file(one)
            return
        yield from map(self._file, self._below(path.rstrip("/")))

    def _head(self, path: str) -> ObjectMeta | None:
        import obstore

        try:
            return self.asked(lambda: obstore.head(self.store, path))
        except _GoneError:
            return None

    def _below(self, folder: str) -> Iterable[ObjectMeta]:
        import obstore

        try:
            found = self.asked(lambda: obstore.list(self.store, prefix=folder or None).collect())
        except (_GoneError, ServiceError) as error:
            if isinstance(error, ServiceError) and " 404 " not in str(error.__cause__):
                raise
            hint = "check its name, and where it is looked for: region, account, endpoint"
            raise DataError(f"there is no bucket {self.root}", hint) from error
        # Consoles mark folders by objects without bytes.
        return [each for each in found if each["size"] and not is_hidden(each["path"], folder)]

    def _file(self, meta: ObjectMeta) -> RemoteFile:
        version = meta["e_tag"] or meta["version"]
        changed = 0 if version else int(meta["last_modified"].timestamp() * 1e6) * 1000
        digest = blake2b((version or str(changed)).encode(), digest_size=8).digest()
        state = State(int.from_bytes(digest, "big") >> 1, meta["size"], (changed, 0), is_object=True)
        return RemoteFile(f"{self.root}/{meta['path']}", state, _Fetch(self, meta["path"], meta["e_tag"]))

    def asked(self, ask: Callable[[], _T]) -> _T:
        """The answer, or what became of it in one line."""
        from obstore.exceptions import BaseError, InvalidPathError

        try:
            return ask()
        except FileNotFoundError as error:
            raise _GoneError(without_secrets(str(error), self.options)) from error
        except InvalidPathError as error:
            said = without_secrets(str(error), self.options)
            raise DataError(f"{self.root} has a name that cannot be read: {said}", "rename the object") from error
        except (BaseError, OSError) as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> CrossfootError:
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        said = without_secrets(_reason(str(error)), self.options)
        if any(place in str(error) for place in _CREDENTIALS):
            return ServiceError(f"no credentials were found for {self.root}: {said}", _HINTS.get(self.root[:2], _HINT))
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or said.startswith(("401 ", "403 ")):
            hint = "check the credentials, and that they may list and read"
            return ServiceError(f"{self.root} does not let us read: {said}", hint)
        return ServiceError(f"{self.root} does not answer: {said}", "run again: what was counted stays")


def _reason(text: str) -> str:
    """The innermost part of what obstore says that a person needs."""
    if found := re.findall(r'message: "([^"]+)"', text):
        return (
            f"{found[-1].lower()} ({address[0]})" if (address := re.findall(r"https?://[^/\s]+", text)) else found[-1]
        )
    if "builder error" in text:
        return "plain http is refused: `options: {allow_http: 'true'}`"
    parts = [*re.findall(r"status code: (\d{3} [A-Za-z ]+)", text)[:1], *re.findall(r"<Code>(\w+)</Code>", text)[:1]]
    return ", ".join(parts) or text


class _GoneError(Exception):
    """There is nothing of this name."""


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Ranges of one object, as long as it is the one that was found."""

    bucket: Bucket
    path: str
    e_tag: str | None

    def __call__(self, start: int, end: int) -> bytes:
        from obstore.exceptions import PreconditionError

        url = f"{self.bucket.root}/{self.path}"
        try:
            return self.bucket.asked(lambda: self._get(start, end))
        except _GoneError as error:
            raise DataError(f"{url} is gone since it was found", "leave it out, then run again") from error
        except ServiceError as error:
            if isinstance(error.__cause__, PreconditionError):
                hint = "run again: what was counted of it is compared with what it is now"
                raise DataError(f"{url} was rewritten while it was read", hint) from error
            raise

    def _get(self, start: int, end: int) -> bytes:
        """The range, or nothing where it broke off."""
        import obstore
        from obstore.exceptions import GenericError

        options: Any = {"range": (start, end)} | ({"if_match": self.e_tag} if self.e_tag else {})
        answer = obstore.get(self.bucket.store, self.path, options=options)
        try:
            return bytes(answer.bytes())
        except GenericError:
            return b""
