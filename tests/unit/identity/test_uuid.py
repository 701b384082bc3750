"""Which ids are the same event, and which bytes stand for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot.definition.model import IdSpec
from crossfoot.definition.number import NumberLiteral
from crossfoot.identity import IdError, content_digest, encode, event_uuid, ledger_digest, position_uuid

KEY = bytes(range(16))
FIELDS = IdSpec("fields", (("id",),))
PAIR = IdSpec("fields", (("a",), ("b",)))
FINGERPRINT = IdSpec("fingerprint", (("a",), ("b",)))
UUID = "0123abcd-4567-89ef-0123-456789abcdef"


def uuid_of(*values: object, spec: IdSpec = FIELDS) -> int:
    return event_uuid(KEY, spec, values)


def number(text: str) -> NumberLiteral:
    return NumberLiteral(text)


@pytest.mark.parametrize("same", ["1.0", "1e0", "10e-1", "0.1e1", "1.000"])
def test_one_number_in_several_forms_is_one_id(same: str):
    """1, 1.0 and 1e0 are one id."""
    assert uuid_of(number(same)) == uuid_of(number("1"))


def test_every_zero_is_one_id():
    """0, -0, 0.0 and 0e9 are one id."""
    assert len({uuid_of(number(zero)) for zero in ("0", "-0", "0.0", "0e9", "-0e-9")}) == 1


def test_values_of_different_types_are_different_ids():
    """1, "1", true and "true" are four ids."""
    assert len({uuid_of(value) for value in (number("1"), "1", True, "true")}) == 4


def test_big_integers_are_not_rounded():
    """Neighbours beyond 2**53 and beyond 2**64 stay apart."""
    big = [2**53, 2**53 + 1, 2**64, 2**64 + 1, 10**40, 10**40 + 1]
    assert len({uuid_of(number(str(value))) for value in big}) == len(big)


def test_texts_are_not_normalised():
    """A composed and a decomposed letter are two ids."""
    assert uuid_of("\u00e9") != uuid_of("e\u0301")


def test_the_parts_of_a_tuple_do_not_run_into_each_other():
    """("ab", "c") and ("a", "bc") are two ids."""
    assert uuid_of("ab", "c", spec=PAIR) != uuid_of("a", "bc", spec=PAIR)


def test_a_uuid_text_gives_its_own_bits():
    """Exactly the 36 characters in lower case."""
    assert uuid_of(UUID) == 0x0123ABCD456789EF0123456789ABCDEF


@pytest.mark.parametrize("other", [UUID.upper(), UUID.replace("-", ""), "{" + UUID + "}", UUID[:-1], UUID + "\n"])
def test_other_forms_of_a_uuid_are_texts(other: str):
    """They are hashed like any text."""
    assert uuid_of(other) != 0x0123ABCD456789EF0123456789ABCDEF


def test_a_uuid_inside_a_tuple_is_a_text():
    """Only an id of a single field gives its own bits."""
    assert uuid_of(UUID, "x", spec=PAIR) not in (uuid_of(UUID), uuid_of(UUID, "y", spec=PAIR))


def test_fields_and_fingerprint_of_the_same_values_differ():
    """The encoding says what it stands for."""
    assert uuid_of("a", "b", spec=PAIR) != uuid_of("a", "b", spec=FINGERPRINT)


@pytest.mark.parametrize(
    ("values", "reason"),
    [((None, "b"), "missing"), (("a", None), "missing"), ((number("1.5"), "b"), "type"), (({}, None), "type"),
     (([], "b"), "type"), ((None, {}), "missing")],
)  # fmt: skip
def test_what_is_no_id_is_refused(values: tuple[object, ...], reason: str):
    """Null or missing, a number that is not integral, an object or array; the first part decides."""
    with pytest.raises(IdError, match=reason):
        uuid_of(*values, spec=PAIR)


def test_a_fingerprint_takes_nulls_and_any_number():
    """Null is a value of its own there."""
    nulls = uuid_of(None, number("1.5"), spec=FINGERPRINT)
    assert nulls != uuid_of("", number("1.5"), spec=FINGERPRINT)
    assert nulls == uuid_of(None, number("1.50"), spec=FINGERPRINT)


def test_a_fingerprint_takes_no_object():
    """An object has no canonical form here."""
    with pytest.raises(IdError, match="type"):
        uuid_of({}, "b", spec=FINGERPRINT)


def test_the_encoding_is_typed_and_length_prefixed():
    """Kind, number of values, then tag, length and bytes of each."""
    assert encode("i", [None, False, True, number("-150"), "é"]).hex(" ") == (
        "69 05 00 00 00 00 01 02 03 05 00 00 00 2d 31 35 65 31 04 02 00 00 00 c3 a9"
    )


def test_a_position_is_the_partition_and_the_record():
    """Record 10 has its zero in the exponent, as every number."""
    assert encode("p", ["a", 10]) == b"p\2\0\0\0" + b"\4\1\0\0\0a" + b"\3\3\0\0\0001e1"
    assert position_uuid(KEY, "a", 1) != position_uuid(KEY, "a", 10)
    assert position_uuid(KEY, "a", 1) != position_uuid(KEY, "b", 1)


def test_the_ledger_adds_up_hashes_and_not_uuids():
    """Uuids that a sender chose cannot be made to cancel each other out."""
    assert ledger_digest(KEY, 1) + ledger_digest(KEY, 2) != ledger_digest(KEY, 3)


def test_the_content_digest_knows_types():
    """1 and true in a field without a declared type are two contents."""
    assert content_digest(KEY, (1,)) != content_digest(KEY, (True,))
    assert content_digest(KEY, ("1",)) != content_digest(KEY, (1,))


VALUE = st.none() | st.booleans() | st.text(max_size=4) | st.integers().map(lambda value: number(str(value)))


@given(st.lists(VALUE, max_size=4), st.lists(VALUE, max_size=4))
def test_equal_encodings_mean_equal_values(left: list[object], right: list[object]):
    """The encoding loses nothing."""
    assert (encode("f", left) == encode("f", right)) == ([repr(v) for v in left] == [repr(v) for v in right])
