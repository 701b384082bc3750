"""What the log of a job on this machine tells: a fault of the data not at all, and a broken connection in one line.

The fault ends the job, and is told in the line that it ends with. Its runner lets go of its workers then, each of whose
connections breaks.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable

from crossfoot.errors import DataError
from crossfoot.sources.streams import DamageError

_LOG = logging.getLogger("crossfoot.beam")
_RAISED = re.compile(r"\bcrossfoot\.[\w.]*?(\w+): (.+?)(?: \[while running '|$)", re.MULTILINE)
"""An error of ours, as the text of a worker's traceback has it."""
_TRACE = " Original traceback is\n"
"""What a worker's log has between what it was at and the text of the traceback, which is of the error in hand."""
_OF_DATA = tuple(kind.__name__ for kind in (DataError, DamageError))
"""Those that reading raises in a worker."""
_HOOK = threading.excepthook
"""What is called of a thread that ends by an error that is not ours to tell."""


def fault_of_data(text: str) -> DataError | None:
    """The one that a traceback tells of."""
    for name, said in _RAISED.findall(text):
        if name in _OF_DATA:
            return DataError(said, "repair it or leave it out, and run again with an empty table")
    return None


def tell_in_lines() -> None:
    """From here on, of all that Beam logs in this process."""
    from apache_beam.runners.worker import sdk_worker

    for handler in logging.getLogger().handlers:
        handler.addFilter(is_told)
    sdk_worker.print = lambda *_, **__: None  # it logs the same
    threading.excepthook = hook_over(_HOOK)


def is_told(record: logging.LogRecord) -> bool:
    """Whether a line is. One of a broken connection loses its traceback."""
    said, trace, _ = record.getMessage().partition(_TRACE)
    raised = record.exc_info[1] if record.exc_info else sys.exception() if trace else None
    broken = _broken(raised)
    if broken:
        record.msg, record.args, record.exc_info = f"{said} {broken}", (), None
    return not isinstance(raised, DataError) and fault_of_data(record.getMessage()) is None


def hook_over(other: Callable[[threading.ExceptHookArgs], object]) -> Callable[[threading.ExceptHookArgs], object]:
    """What is called where a thread ends by an error: a line of a broken connection, and `other` of everything else."""

    def tell(ended: threading.ExceptHookArgs) -> None:
        if broken := _broken(ended.exc_value):
            _LOG.error("a thread of Beam ended: %s", broken)
        else:
            other(ended)

    return tell


def _broken(raised: BaseException | None) -> str:
    import grpc

    if not isinstance(raised, grpc.RpcError):
        return ""
    said = raised.details() if isinstance(raised, grpc.Call) else str(raised)
    return " ".join((said or "").split()) or type(raised).__name__
