"""Fake programs on a PATH of their own."""

from pathlib import Path

import pytest


class Bin:
    """A folder of programs that is the whole PATH, beside the shell's own place."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        patch.setenv("PATH", str(folder))

    def add(self, name: str, body: str) -> None:
        """A shell script; it may use the usual programs."""
        (self.folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
        (self.folder / name).chmod(0o755)

    def says(self, name: str, version: str) -> None:
        """A program that says its version and does nothing else."""
        self.add(name, f'echo "{name} version {version}"')
