"""Crossfoot counts event streams exactly: every record is in one account, and the accounts add up.

The public names, nothing else. Each is imported when it is first used, so ``import crossfoot`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossfoot.definition.load import load_file as load_file
    from crossfoot.definition.load import load_text as load_text
    from crossfoot.definition.model import Definition as Definition
    from crossfoot.errors import CallError as CallError
    from crossfoot.errors import CrossfootError as CrossfootError
    from crossfoot.errors import DataError as DataError
    from crossfoot.errors import DefinitionError as DefinitionError
    from crossfoot.errors import InternalError as InternalError
    from crossfoot.errors import ServiceError as ServiceError
    from crossfoot.errors import StoreError as StoreError
    from crossfoot.query.client import Facts as Facts
    from crossfoot.query.client import Result as Result
    from crossfoot.query.client import Store as Store
    from crossfoot.sources.socket_client import SocketClient as SocketClient

    __version__: str

__all__ = [
    "CallError",
    "CrossfootError",
    "DataError",
    "Definition",
    "DefinitionError",
    "Facts",
    "InternalError",
    "Result",
    "ServiceError",
    "SocketClient",
    "Store",
    "StoreError",
    "__version__",
    "load_file",
    "load_text",
]

_HOMES = {
    "crossfoot._core": ("__version__",),
    "crossfoot.definition.load": ("load_file", "load_text"),
    "crossfoot.definition.model": ("Definition",),
    "crossfoot.errors": tuple(name for name in __all__ if name.endswith("Error")),
    "crossfoot.query.client": ("Facts", "Result", "Store"),
    "crossfoot.sources.socket_client": ("SocketClient",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'crossfoot' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
