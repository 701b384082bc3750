"""Secrets among librdkafka's settings: written as `${ENV_NAME}`, read from the environment when a source is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping

from crossfoot.definition.model import Settings
from crossfoot.errors import CallError

_SECRET = re.compile(r"password|passphrase|secret|token|key", re.IGNORECASE)
_WHERE_IT_IS = re.compile(r"(\.location|\.file|\.url|\.type|keytab)$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def may_be_secret(name: str) -> bool:
    """Whether the setting may be read from the environment."""
    return _SECRET.search(name) is not None


def is_secret(name: str) -> bool:
    """Whether the setting's value must not stand in a definition; where a secret is kept is none itself."""
    return may_be_secret(name) and not _WHERE_IT_IS.search(name)


def variable(text: str) -> str | None:
    """The environment's name in `${ENV_NAME}`; None for any other text."""
    match = _VARIABLE.fullmatch(text)
    return match[1] if match else None


def resolve(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The settings as librdkafka takes them; the only place where a secret's value is seen."""
    return {name: _value(name, text, environment) for name, text in settings}


def _value(name: str, text: str, environment: Mapping[str, str]) -> str:
    named = variable(text) if may_be_secret(name) else None
    if named is None:
        return text
    if named not in environment:
        raise CallError(f"the environment has no value for {name}: {named}", f"set it: export {named}=…")
    return environment[named]
