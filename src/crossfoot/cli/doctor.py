"""crossfoot doctor: what this machine has and has not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crossfoot import settings
from crossfoot.cli.output import Format, Table, emit, next_step, say
from crossfoot.dev import doctor as looks
from crossfoot.dev.doctor import Check


def doctor(
    definition: Path | None = None,
    /,
    *,
    dev: Annotated[bool, Parameter(negative="")] = False,
    format: Annotated[Format, Parameter(help="How the findings are printed.")] = "table",  # noqa: A002
) -> int:
    """What is there, what is missing or too old, and how to get it. Nothing is fetched or changed.

    Exit code 1 if something that counting needs is not ok. What else is missing is only shown, unless it is asked for.

    Parameters
    ----------
    definition
        A definition: the packages that it needs, and whether its sources can be reached, are looked at too.
    dev
        What the local stack (`crossfoot dev up`, `make test-services`) needs has to be there as well.
    """
    checks = list(looks.machine(Path.cwd()))
    needed = {check.name for check in checks if check.purpose == looks.COUNTING}
    needed |= looks.STACK_NAMES if dev else set()
    if definition is not None:
        found = _reached(definition)
        checks += found[1]
        needed |= found[0] | {check.name for check in found[1]}
    lacking = [check for check in checks if check.name in needed and not check.ok]
    names = ("what", "state", "found", "needed for", "how to get it")
    rows = [(check.name, check.state, check.found, check.purpose, check.how) for check in checks]
    emit(Table(names, rows, [_as_json(check, check.name in needed) for check in checks]), format)
    if format == "table":
        say(f"{len(lacking)} of {len(needed)} needed things are not ok" if lacking else "what is needed is there")
    if not lacking:
        next_step("crossfoot dev up" if dev else f"crossfoot run {definition}" if definition else "crossfoot demo")
    return 1 if lacking else 0


def _reached(definition: Path) -> tuple[set[str], list[Check]]:
    """The packages that a definition needs, and its sources."""
    from crossfoot.cli.places import load
    from crossfoot.dev.reach import packages_of, reach

    loaded = load(definition)
    timeout_s = settings.load().connect_seconds
    home = definition.absolute().parent
    return packages_of(loaded), list(reach(loaded, home, settings.environment(), timeout_s))


def _as_json(check: Check, needed: bool) -> dict[str, object]:
    return {
        "what": check.name,
        "state": check.state,
        "found": check.found,
        "for": check.purpose,
        "needed": needed,
        "how": check.how,
    }
