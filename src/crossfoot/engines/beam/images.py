"""The shards that this worker has in memory. Each is in one place at a time, and is used only where its mark fits."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from crossfoot.engines.beam.keeping import Kept
from crossfoot.engines.shard import Shard

IMAGES_MAX = 256
"""So many are kept; beyond it the one that was used least lately goes, and is loaded from its state again."""


@dataclass(slots=True)
class Image:
    """A shard in memory, what its state held when it was right, and when each sink may be tried (elapsed seconds)."""

    shard: Shard
    kept: Kept
    due_s: float = 0.0
    delay_s: float = 0.0


class Images:
    """Taken for a bundle, given back at its end: whatever a bundle that failed has taken is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images: dict[tuple[str, int], Image] = {}

    def take(self, job: str, number: int, kept: Kept) -> Image | None:
        """The image of a shard, if there is one that is as its state says."""
        with self._lock:
            image = self._images.pop((job, number), None)
        if image is None or not kept.head or image.kept.mark != kept.mark:
            return None
        image.kept = kept
        return image

    def give(self, job: str, number: int, image: Image) -> None:
        """The bundle is at its end."""
        with self._lock:
            self._images[job, number] = image
            while len(self._images) > IMAGES_MAX:
                del self._images[next(iter(self._images))]


IMAGES = Images()
