"""`crossfoot beam run`, whose bundles take their time."""

import sys
from threading import Event
from typing import Any

from crossfoot.cli import main
from crossfoot.engines.beam.counter import Counter

END = Counter.end
LONG_S = 10.0


def install() -> None:
    """Every bundle says so."""

    def end(self: Counter, *arguments: Any) -> None:
        print("a bundle waits", file=sys.stderr, flush=True)
        Event().wait(LONG_S)
        END(self, *arguments)

    Counter.end = end  # type: ignore[method-assign]


if __name__ == "__main__":
    install()
    sys.exit(main())
