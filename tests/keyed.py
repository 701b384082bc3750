"""Cells of a runner's keyed state, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossfoot.engines.beam.keeping import State


@dataclass
class Value:
    """One value, or none."""

    value: bytes | None = None

    def read(self) -> bytes | None:
        return self.value

    def write(self, value: bytes) -> None:
        self.value = value


@dataclass
class Bag:
    """Values that are added."""

    values: list[bytes] = field(default_factory=list)

    def read(self) -> list[bytes]:
        return list(self.values)

    def add(self, value: bytes) -> None:
        self.values.append(value)

    def clear(self) -> None:
        self.values.clear()


def view(state: State) -> State:
    """What a bundle sees and changes; it is the state once it is committed."""
    bags = (Bag(list(bag.read())) for bag in (state.ids, state.cells, state.leaving))
    return State(Value(state.kept.read()), *bags)
