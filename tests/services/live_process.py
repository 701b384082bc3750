"""A process that counts a topic, for tests that kill it: BOOTSTRAP TOPIC STORE."""

import sys
from pathlib import Path

from crossfoot.definition.load import load_text
from crossfoot.seen.state import State
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic
from tests.counting import CLICKS


def main() -> None:
    bootstrap, topic, store = sys.argv[1:]
    said = Settings(epoch_seconds=0.02, commit_bytes=100_000)
    job = LiveJob(load_text(CLICKS), Path(store), (Topic(topic, {"bootstrap.servers": bootstrap}),), once=True)
    run_live(job, said, LiveWatch(state=tell))


def tell(state: State) -> None:
    """One line an epoch."""
    print(sum(state.accounts.values()), flush=True)


if __name__ == "__main__":
    main()
