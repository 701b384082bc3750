"""What a pipeline is made of: the definition, how many shards count it, where it writes, how it is to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from crossfoot import settings
from crossfoot.definition.model import Definition, FileSource, PubSubSource
from crossfoot.errors import CallError
from crossfoot.sources.files import STDIN, Place, expand
from crossfoot.sources.remote import is_elsewhere, remote_of


@dataclass(frozen=True, slots=True)
class Job:
    """Sent to the workers as it is.

    `name` is whose cells a table holds. `home` is the folder that file names are relative to. `files` are those of the
    definition's sources, `inputs` those that are read instead: paths and URLs. `every_s` is how often what has changed
    is written out, at most. A subscription is pulled by so many `streams`, or by the runner's own reader (`is_native`).
    The side log in a table keeps a record for `side_days`.
    """

    name: str
    definition: Definition
    shards: int
    home: str
    files: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    every_s: float = 1.0
    block_bytes: int = 4 << 20
    streams: int = 1
    is_native: bool = False
    side_days: int = 90

    @property
    def is_endless(self) -> bool:
        """Whether a source has no end."""
        return not self.inputs and any(isinstance(source, PubSubSource) for source in self.definition.sources)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that are read: paths and URLs."""
        return self.inputs or self.files

    @property
    def is_of_here(self) -> bool:
        """Whether it reads files of this machine."""
        return not all(map(is_elsewhere, self.paths))

    def read_by_runner(self) -> Job:
        """The same, where the runner has a reader of its own."""
        return replace(self, is_native=True)


def job_of(
    definition: Definition, name: str | None, shards: int, home: Path, start: Path, inputs: tuple[str, ...]
) -> Job:
    """The job of a definition. Its files are found now; DataError where there are none, CallError for `-`."""
    job = Job(name or definition.namespace, definition, shards, str(home))
    remote = remote_of(definition, settings.environment())
    if inputs:
        return replace(job, inputs=_found(inputs, Place(start, home, remote=remote)))
    of_files = [text for source in definition.sources if isinstance(source, FileSource) for text in source.files]
    return replace(job, files=_found(tuple(of_files), Place(home, home, remote=remote)))


def _found(texts: tuple[str, ...], place: Place) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for text in texts for found in _files(text, place)))


def _files(text: str, place: Place) -> Iterable[str]:
    if text == STDIN:
        raise CallError("workers of Beam do not see standard input", "name files, or count it by crossfoot run")
    if is_elsewhere(text):
        return place.remote.find(text)
    return (str(path.absolute()) for path in expand(text, place))
