"""The pull step by itself, in Beam's environment: what it has acknowledged, before and after its bundle is final."""

import json
from types import SimpleNamespace

from crossfoot.definition.load import load_text
from crossfoot.definition.model import PubSubSource
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.pulling import PullBlocks, _Endless
from crossfoot.sources.pubsub_pull import Deliveries
from tests.counting import CLICKS


class Pull:
    """Two deliveries, then nothing."""

    def __init__(self) -> None:
        self.left = [Deliveries(("1", "2"), (b"a", b"b")), Deliveries(("3",), (b"c",))]
        self.acknowledged: list[str] = []

    def pull(self, _: float) -> Deliveries:
        return self.left.pop(0) if self.left else Deliveries()

    def acknowledge(self, ids: tuple[str, ...]) -> None:
        self.acknowledged += ids


def main() -> None:
    pull, final = Pull(), []
    step = PullBlocks(PubSubSource("p", "s"), Job("job", load_text(CLICKS), 1, home=""))
    step._pull, step._split = pull, SimpleNamespace(blocks=lambda messages: [(0, b"".join(messages))])
    tracker = SimpleNamespace(try_claim=_Endless(0).try_claim, defer_remainder=lambda _: None)
    blocks = list(step.process(0, SimpleNamespace(register=final.append), tracker))
    before = list(pull.acknowledged)
    for call in final:
        call()
    print(json.dumps([[block.decode() for _, block in blocks], before, pull.acknowledged]))


if __name__ == "__main__":
    main()
