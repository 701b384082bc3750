"""Processes that stand still, and go on later."""

import os
import signal
import time
from pathlib import Path


def pause(pid: int) -> None:
    """None of its threads runs when this returns: the signal alone is on its way for a moment."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    while any((task / "stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.iterdir()):
        time.sleep(0.001)


def resume(pid: int) -> None:
    """It goes on where it stood."""
    os.kill(pid, signal.SIGCONT)
