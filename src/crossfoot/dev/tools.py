"""Programs of the machine: which are there, whether they are new enough, how to get them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from crossfoot.dev.processes import answer_of
from crossfoot.errors import CallError

State = Literal["ok", "missing", "too old"]
Version = tuple[int, ...]

_ANSWER_S = 60


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, how it says its version, the oldest that will do, and how to get it."""

    name: str
    asks: tuple[str, ...]
    least: Version
    how: str

    @property
    def wanted(self) -> str:
        """`java 17 or newer`."""
        return f"{self.name} {dotted(self.least)} or newer"


@dataclass(frozen=True, slots=True)
class Found:
    """What became of looking for a tool; `version` is empty where it is missing."""

    tool: Tool
    state: State
    version: str = ""


JAVA = Tool("java", ("-version",), (17,), "sudo apt install openjdk-17-jre-headless")
MAVEN = Tool("mvn", ("--batch-mode", "-version"), (3, 6), "sudo apt install maven")
GO = Tool("go", ("version",), (1, 26), "https://go.dev/doc/install")
NODE = Tool("node", ("--version",), (18,), "sudo apt install nodejs")
NPM = Tool("npm", ("--version",), (9,), "sudo apt install npm")
RUST = Tool("rustc", ("--version",), (1, 88), "https://rustup.rs")


def look_for(tool: Tool) -> Found:
    """Ask a tool for its version; one that does not answer with one is as good as missing."""
    program = shutil.which(tool.name)
    if program is None:
        return Found(tool, "missing")
    answer = answer_of((program, *tool.asks), _ANSWER_S)
    version = re.search(r"\d+(?:\.\d+)*", answer.text)
    if answer.code != 0 or version is None:
        return Found(tool, "missing")
    return Found(tool, "ok" if number(version.group()) >= tool.least else "too old", version.group())


def need(tools: Iterable[Tool], why: str) -> None:
    """CallError, with the way to get it, for the first tool that is missing or too old."""
    for found in map(look_for, tools):
        if found.state != "ok":
            said = f"there is {found.version}" if found.version else "there is none"
            raise CallError(f"{why} needs {found.tool.wanted}: {said}", f"get it: {found.tool.how}")


def number(version: str) -> Version:
    """A version as numbers."""
    return tuple(int(part) for part in version.split("."))


def dotted(version: Version) -> str:
    """Numbers as a version."""
    return ".".join(map(str, version))
