"""An id gives the same uuid in every process, on every machine, for ever: these numbers may never change."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot.definition.compile import namespace_key
from crossfoot.definition.model import IdSpec
from crossfoot.definition.number import NumberLiteral
from crossfoot.identity import event_uuid, ledger_digest, position_uuid

KEY = namespace_key("golden")
ONE = IdSpec("fields", (("id",),))
TWO = IdSpec("fields", (("a",), ("b",)))
PRINT = IdSpec("fingerprint", (("a",), ("b",)))


def test_the_key_of_a_namespace_stays():
    """It keys every hash."""
    assert KEY.hex() == "05fb667c7d2301591d70da9b809eb7e0"


@pytest.mark.parametrize(
    ("spec", "values", "uuid"),
    [
        (ONE, ("x",), "9c153e69dd701d08ccf33f92e71aa079"),
        (ONE, (NumberLiteral("100"),), "55061412a941f23bc30b6a4c67009303"),
        (ONE, (True,), "d179a2159f026270056f22031eb7dc0c"),
        (TWO, ("x", NumberLiteral("-1")), "988edee4a48788b8805f7020d9602534"),
        (PRINT, ("é", None), "63fdcbd361676e8b0c146c11583d0e8a"),
        (PRINT, (NumberLiteral("1.50"), False), "3e538d93de00c394831a9a736bb281f9"),
    ],
)
def test_uuids_stay(spec: IdSpec, values: tuple[object, ...], uuid: str):
    """One of each kind."""
    assert f"{event_uuid(KEY, spec, values):032x}" == uuid


def test_positions_and_digests_stay():
    """What the ledger adds up."""
    assert f"{position_uuid(KEY, 'a.jsonl', 10):032x}" == "e8798ef571f85abedbe080a782c35caa"
    assert f"{ledger_digest(KEY, 1):032x}" == "82893deadd68808630574fb7020db32e"


@given(st.lists(st.integers().map(str) | st.text(max_size=3), min_size=1, max_size=3), st.integers(-5, 5))
def test_a_number_keeps_its_id_in_every_form(texts: list[str], power: int):
    """However its literal is written."""
    value = int.from_bytes("".join(texts).encode()[:7], "big")
    plain, scientific = NumberLiteral(str(value)), NumberLiteral(f"{value}0e-1")
    assert event_uuid(KEY, ONE, (plain,)) == event_uuid(KEY, ONE, (scientific,))
    assert event_uuid(KEY, ONE, (plain,)) == event_uuid(KEY, ONE, (NumberLiteral(f"{value}.{'0' * abs(power)}0"),))


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_makes_the_same_uuid(project: Path, seed: str):
    """Nothing depends on the interpreter's own hash seed."""
    code = "from tests.laws.test_identity import *; print(event_uuid(KEY, TWO, ('x', 'y')))"
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": "src"}
    run = subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True)
    assert run.stdout == f"{event_uuid(KEY, TWO, ('x', 'y'))}\n"
