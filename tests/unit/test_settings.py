"""Settings of a process."""

import pytest

from crossfoot.errors import CallError
from crossfoot.settings import Settings, load, origins, variable_of


def test_defaults_stand_without_an_environment():
    """Nothing has to be set."""
    assert load({}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("block_bytes", "4096", 4096),
        ("block_bytes", "64K", 65_536),
        ("commit_bytes", "2g", 2 << 30),
        ("commit_seconds", "0.5", 0.5),
        ("traceback", "1", True),
        ("crash", "frame.half:3", "frame.half:3"),
    ],
)
def test_variables_set_values(name, text, value):
    """Each setting has its variable."""
    assert getattr(load({variable_of(name): text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("block_bytes", "0"),
        ("block_bytes", "-1K"),
        ("block_bytes", ""),
        ("block_bytes", "1T"),
        ("commit_seconds", "inf"),
        ("commit_seconds", "soon"),
        ("traceback", "yes"),
    ],
)
def test_values_that_cannot_be_are_refused(name, text):
    """The variable, what it says, and the default."""
    with pytest.raises(CallError, match=variable_of(name)) as caught:
        load({variable_of(name): text})
    assert "the default is" in caught.value.hint


def test_every_setting_has_a_meaning():
    """The table is whole."""
    assert all(item.meaning for item in origins({}))
