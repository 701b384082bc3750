"""Both engines find the same fault in the same record, and the same values where there is none."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from tests.engines import DRIVERS, FAR_FUTURE_US
from tests.golden.answers import answers, side_log

DEFINITION = load_text("""
crossfoot: 1
namespace: decode
event:
  time: {field: t, unit: s}
  received: none
  id: {fingerprint: [id, a.b]}
  fields: {k: a.b, n: {path: n, type: decimal(3)}, x: "coalesce(n, 1) * 2"}
limits: {record_bytes_max: 150, depth_max: 4, members_max: 7}
metrics:
  m: {by: [[k, n]], measures: {events: count}, grains: [all]}
""")
# Pieces of JSON, right and wrong, that together are often nearly a record.
PIECES = st.sampled_from(
    [b'"a"', b'"b"', b'"n"', b'"id"', b'"t"', b'"\\u0061"', b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\\udc00x"',
     b'"\\x"', b'"', b":", b",", b"{", b"}", b"[", b"]", b" ", b"\t", b"\r", b"true", b"false", b"null", b"NaN", b"tru",
     b"0", b"-0", b"1.50", b"1e3", b"-1E-3", b"01", b"1.", b".5", b"+1", b"1e400", b"0.0005", b"9223372036854775808",
     b"\xc3\xa9", b"\xff", b'"\xed\xa0\x80"', b"\x00", b'"\x1f"', b"\xef\xbb\xbf", b'"' + b"y" * 60 + b'"', b"[[[[",
     b'{"b":{"b":{"b":']
)  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(
        [b"null", b"true", b"1", b"1.5", b'"x"', b'"\\u00e9"', b"1e2", b'"1"', b"0.0015", b"1e17", b'"\\n"']
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: b"[" + b",".join(items) + b"]")
        | st.lists(st.tuples(st.sampled_from([b'"b"', b'"c"', b'"\\u0062"']), inner), max_size=3).map(
            lambda items: b"{" + b", ".join(key + b":" + value for key, value in items) + b"}"
        )
    ),
    max_leaves=6,
)
KEYS = st.sampled_from([b'"a"', b'"n"', b'"id"', b'"z"', b'"\\u0061"', b'"t"'])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A record with random members, often with a piece put in, or a run of its bytes taken out."""
    members = draw(st.lists(st.tuples(KEYS, VALUES), max_size=7))
    body = b", ".join([b'"t": 1', *(key + b": " + value for key, value in members)])
    line = b"{" + body + b"}"
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        at = draw(st.integers(0, len(line)))
        cut = draw(st.integers(0, 4))
        line = line[:at] + draw(PIECES | st.just(b"")) + line[at + cut :]
    return line.replace(b"\n", b" ")


@settings(max_examples=150)
@given(st.lists(lines(), min_size=10, max_size=40))
def test_both_engines_decode_alike(records: list[bytes]):
    """Cells, ledger with digests, and side log."""
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        for name in DRIVERS:
            driver = DRIVERS[name](DEFINITION, Path(folder))
            driver.engine.feed("a", b"\n".join(records) + b"\n", FAR_FUTURE_US)
            driver.engine.commit()
            ledger = sorted(driver.engine.ledger(), key=repr)
            kept.append((answers(driver.engine), ledger, side_log(driver.engine)))
    assert kept[0] == kept[1]
