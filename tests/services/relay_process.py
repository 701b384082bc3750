"""A process that relays a definition, for tests that kill it: DEFINITION; where Pub/Sub is says the environment."""

import sys
from pathlib import Path

from crossfoot import settings
from crossfoot.definition.load import load_file
from crossfoot.services.relay.job import job_of, relay
from crossfoot.services.relay.state import RelayState, RelayWatch
from crossfoot.settings import Settings


def main() -> None:
    job = job_of(load_file(Path(sys.argv[1])), settings.environment(), once=True)
    relay(job, Settings(epoch_seconds=0.02, queue_bytes=1 << 20), RelayWatch(state=tell))


def tell(state: RelayState) -> None:
    """One line a commit."""
    print(sum(lane.ledger.totals.out for lane in state.lanes), flush=True)


if __name__ == "__main__":
    main()
