"""Files that are counted to their end beside sources that have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crossfoot.sources.files import Inputs, Place, discover
from crossfoot.sources.lines import Chunk, LongLine
from crossfoot.sources.live import Ending, Feed, Known, LiveSource, Moved, Named, Room
from crossfoot.sources.partition import Partition, Position, positions_of
from crossfoot.sources.reading import Reading, look_again, read_group, reading_of
from crossfoot.sources.streams import DamageError


@dataclass(frozen=True, slots=True)
class WholeFiles:
    """Paths, folders and patterns of a definition."""

    name: str
    files: tuple[str, ...]
    place: Place

    def open(self, room: Room) -> LiveSource:
        """Nothing is opened before the store is known."""
        return WholeFilesInput(self, reading_of(room.definition, room.settings))


class WholeFilesInput(Ending):
    """The files while they are read. Each is finished at its end, and not looked at again."""

    def __init__(self, files: WholeFiles, reading: Reading) -> None:
        self.name = files.name
        self._files = files
        self._reading = reading
        self._inputs = Inputs()
        self._positions: dict[str, Position] = {}
        self._unchanged: set[str] = set()
        self._parts: Iterator[tuple[Partition, Chunk | None]] = iter(())
        self._notes: list[str] = []

    def open(self, known: Known) -> list[Named]:
        """Find the files; those that have nothing new are left alone."""
        self._inputs = discover(self._files.files, self._files.place, positions=positions_of(known.items()))
        names = [partition.name for partition in self._inputs.partitions]
        self._positions = {name: Position.of(dict(known[name])) for name in names if name in known}
        grown = look_again(self._inputs, self._positions, self._reading)
        self._unchanged = {name for name, more in grown.items() if not more and self._positions[name].finished}
        self._parts = self._read()
        joining = [part for part in self._inputs.partitions if part.name not in self._unchanged]
        return [(part.name, str(self._positions.get(part.name, part).identity)) for part in joining]

    def _read(self) -> Iterator[tuple[Partition, Chunk | None]]:
        """The chunks of every partition, and None at its end."""
        for group in self._inputs.groups:
            if self._unchanged.issuperset(partition.name for partition in group):
                continue
            try:
                yield from self._read_group(group)
            except DamageError as error:
                self._notes.append(f"{error.message}: {error.hint}")

    def _read_group(self, group: tuple[Partition, ...]) -> Iterator[tuple[Partition, Chunk | None]]:
        for partition, chunks in read_group(self._inputs, group, self._positions, self._reading):
            if partition.name not in self._unchanged:
                yield from ((partition, chunk) for chunk in chunks)
                yield partition, None

    def begin(self, names: Iterable[str]) -> dict[str, int]:
        """Lines have no positions of their own."""
        del names
        return {}

    def feed(self, into: Feed, bytes_max: int, wait_s: float, now_us: int) -> Moved:
        """Hand over the next chunks."""
        del wait_s
        taken = 0
        while taken < bytes_max and not self._is_done:
            step = next(self._parts, None)
            if step is None:
                self._is_done = True
            else:
                taken += hand_over(into, step[0], step[1], now_us)
        notes, self._notes = tuple(self._notes), []
        return Moved(taken, 0, notes)

    def close(self) -> None:
        """Close the file that is being read."""
        self._parts = iter(())


def hand_over(into: Feed, partition: Partition, chunk: Chunk | None, now_us: int) -> int:
    """A chunk to the engine, or the end of the partition; how many bytes that were."""
    if chunk is None:
        into.finish(partition.name, None if partition.state is None else str(partition.state))
        return 0
    if isinstance(chunk, LongLine):
        into.skip(partition.name, chunk.length, chunk.head)
        return chunk.length
    into.feed(partition.name, chunk.data, now_us)
    return len(chunk.data)
