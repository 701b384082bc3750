"""Parts of the local stack for tests: fetched when they are needed; what is not to be had skips, and fails in CI."""

from pathlib import Path

from crossfoot.dev.parts import Part, ensure
from crossfoot.errors import CrossfootError
from tests.needs import absent


def part(wanted: Part) -> Path:
    """The folder of a part."""
    try:
        return ensure(wanted)
    except CrossfootError as error:
        absent(f"{error}; {error.hint}")
