"""The batch engine: the definition as SQL over raw records, an independent recount."""

from crossfoot.engines.batch.engine import BatchEngine, Recount
from crossfoot.engines.batch.lacks import lacks
from crossfoot.engines.batch.render import Rendered, Step, render
from crossfoot.engines.batch.variation import Hours, Variation

__all__ = ["BatchEngine", "Hours", "Recount", "Rendered", "Step", "Variation", "lacks", "render"]
