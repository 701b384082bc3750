"""The JSON Schema: what loads fits it, and common mistakes do not."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from crossfoot.definition.load_parts import plain_value
from crossfoot.definition.messages import EXAMPLE, MESSAGES
from crossfoot.definition.messages.pages import wrong_example
from crossfoot.definition.schema import FILE, schema
from crossfoot.definition.yamltree import read_yaml
from tests.unit.definition.definitions import definitions

SCHEMA = Draft202012Validator(schema())
ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("tests/golden/*/definition.yaml")])


def fits(text: str) -> bool:
    return SCHEMA.is_valid(plain_value(read_yaml(text)))


def test_the_schema_is_one():
    """It follows its own rules."""
    Draft202012Validator.check_schema(schema())


def test_the_file_equals_the_code():
    """The exported file is the one that scripts/write_reference.py makes."""
    assert json.loads((ROOT / FILE).read_text(encoding="utf-8")) == schema()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_projects_definitions_fit(path):
    """Every example and golden definition."""
    assert fits(path.read_text(encoding="utf-8"))


def test_the_example_of_the_messages_fits():
    """It uses most keys."""
    assert fits(EXAMPLE)


@settings(max_examples=50)
@given(definitions())
def test_what_loads_fits(definition):
    """The schema refuses nothing that is right."""
    assert fits(definition.to_yaml())


SEEN_BY_SCHEMA = [
    *["CF1003", "CF1004", "CF1005", "CF1006", "CF1007", "CF1101", "CF1104", "CF1106", "CF1107", "CF1108", "CF1109"],
    *["CF1113", "CF1117", "CF1119"],
]


@pytest.mark.parametrize("message_id", SEEN_BY_SCHEMA)
def test_mistakes_do_not_fit(message_id):
    """An editor marks them while they are typed."""
    assert not fits(wrong_example(MESSAGES[message_id]))


def test_every_part_says_what_it_is():
    """Editors show the description of each key."""
    silent = [
        name
        for part in _objects(schema())
        for name, value in part.get("properties", {}).items()
        if not value.get("description")
        and "$ref" not in value
        and not {"const", "minimum", "items", "anyOf"} & set(value)
    ]
    assert silent == []


def _objects(part):
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from _objects(value)
    elif isinstance(part, list):
        for value in part:
            yield from _objects(value)
