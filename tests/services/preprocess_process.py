"""A process that prepares a topic, for tests that kill it: the definition's text on standard input.

Each line that it prints is the number of records that are committed by it.
"""

import sys

from crossfoot.cli.stop import Stop
from crossfoot.definition.load import load_text
from crossfoot.services.live import LiveWatch
from crossfoot.services.preprocess.job import job_of, preprocess
from tests.services.preparing import QUICK


def main() -> None:
    job = job_of(load_text(sys.stdin.read()), {}, sys.argv[1:] == ["once"])
    with Stop() as stop:
        preprocess(job, QUICK, LiveWatch(note=tell, stop=stop.asked))


def tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
