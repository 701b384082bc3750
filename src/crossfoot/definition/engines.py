"""What an engine of this build cannot run yet, and why: said by `crossfoot plan`, and by the engine when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crossfoot.definition.model import Definition, FileSource, PubSubSource, SocketSource
from crossfoot.errors import DefinitionError, Place


@dataclass(frozen=True, slots=True)
class Lack:
    """A part of the definition that an engine does not know, and what it does not do."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def run_lacks(definition: Definition, *, sources: bool = True) -> Iterator[Lack]:
    """`crossfoot run`, with the native core; `sources`: whether it reads those of the definition."""
    for source in definition.sources if sources else ():
        if isinstance(source, PubSubSource):
            yield Lack("source", f"live sources of this kind are not read yet: {source.name}")
        elif isinstance(source, FileSource) and source.follow and source.format.name in ("csv", "parquet"):
            yield Lack("source.follow", f"{source.format.name} is not followed: {source.name}")
        if definition.archive and not isinstance(source, SocketSource | PubSubSource):
            yield Lack("archive", f"only input that passes through our own log is archived, not {source.name}")
    if definition.sinks:
        yield Lack("sinks", "nothing is written to other systems yet")


def refuse(engine: str, lacks: Iterable[Lack]) -> None:
    """DefinitionError with the first of them."""
    for lack in lacks:
        hint = "leave it out, or see what can run the definition: crossfoot plan"
        raise DefinitionError(f"{engine} cannot run this: {lack.why}", hint, place=Place(path=lack.path))
