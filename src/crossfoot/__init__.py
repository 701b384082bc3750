"""Crossfoot counts event streams exactly: every record is in one account, and the accounts add up.

The public names, nothing else. Each is imported when it is first used, so ``import crossfoot`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossfoot.definition.model import Definition as Definition

    __version__: str

_HOMES = {
    "Definition": "crossfoot.definition.model",
    "__version__": "crossfoot._core",
}

__all__ = ["Definition", "__version__"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'crossfoot' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
