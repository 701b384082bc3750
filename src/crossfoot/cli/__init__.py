"""The command line: one thin file per command. What is heavy is imported by the command that needs it."""

from __future__ import annotations

from crossfoot.cli.app import main as main
