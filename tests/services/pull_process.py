"""A process that counts a subscription, for tests that kill it: DEFINITION STORE."""

import sys
from pathlib import Path

from crossfoot import settings
from crossfoot.definition.load import load_file
from crossfoot.services.live import LiveJob, LiveState, LiveWatch, run_live
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.openers import openers_of


def main() -> None:
    definition, here = load_file(Path(sys.argv[1])), Path.cwd()
    sources = openers_of(definition, Place(here, here), settings.environment())
    job = LiveJob(definition, Path(sys.argv[2]), sources)
    run_live(job, Settings(epoch_seconds=0.02, pubsub_streams=8), LiveWatch(state=tell))


def tell(state: LiveState) -> None:
    """One line an epoch."""
    print(sum(state.accounts.values()), flush=True)


if __name__ == "__main__":
    main()
