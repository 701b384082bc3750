"""`crossfoot beam run`, whose bundles fail now and then when all their work is done, and what they wrote is there."""

import sys
from typing import Any

from crossfoot.cli import main
from crossfoot.engines.beam.counter import Counter

END = Counter.end
EVERY = 3


def install() -> None:
    """Every third bundle that has counted fails."""
    bundles = 0

    def end(self: Counter, *arguments: Any) -> None:
        nonlocal bundles
        bundles += bool(self._touched)
        END(self, *arguments)
        if bundles and bundles % EVERY == 0:
            bundles += 1
            print("a bundle fails", file=sys.stderr, flush=True)
            raise RuntimeError("a bundle fails")

    Counter.end = end  # type: ignore[method-assign]


if __name__ == "__main__":
    install()
    sys.exit(main())
