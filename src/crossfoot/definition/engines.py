"""What an engine of this build cannot run yet, and why: said by `crossfoot plan`, and by the engine when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crossfoot.definition.model import Definition, FileSource, KafkaSource
from crossfoot.errors import DefinitionError, Place


@dataclass(frozen=True, slots=True)
class Lack:
    """A part of the definition that an engine does not know, and what it does not do."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def reference_lacks(definition: Definition) -> Iterator[Lack]:
    """The reference engine."""
    if definition.format.name == "prepared":
        yield Lack("source.format", "prepared records are not read yet")


def embedded_lacks(definition: Definition) -> Iterator[Lack]:
    """The native core, whoever feeds it."""
    if definition.explode is not None:
        yield Lack("preprocess.explode", "a record is not exploded yet")
    if definition.format.name == "prepared":
        yield Lack("source.format", "prepared records are not read yet")


def run_lacks(definition: Definition, *, sources: bool = True) -> Iterator[Lack]:
    """`crossfoot run`, with the native core; `sources`: whether it reads those of the definition."""
    for source in definition.sources if sources else ():
        if isinstance(source, KafkaSource):
            if len({type(each) for each in definition.sources}) > 1:
                yield Lack("source", f"topics are not counted together with other sources yet: {source.name}")
        elif not isinstance(source, FileSource):
            yield Lack("source", f"live sources of this kind are not read yet: {source.name}")
        elif source.follow:
            yield Lack("source.follow", f"files are counted to their end, not followed yet: {source.name}")
    if definition.archive:
        yield Lack("archive", "records are not archived yet")
    yield from embedded_lacks(definition)


def refuse(engine: str, lacks: Iterable[Lack]) -> None:
    """DefinitionError with the first of them."""
    for lack in lacks:
        hint = "leave it out, or see what can run the definition: crossfoot plan"
        raise DefinitionError(f"{engine} cannot run this: {lack.why}", hint, place=Place(path=lack.path))
