"""How a command ends where its files are damaged, and where it is interrupted."""

from __future__ import annotations

import signal

import pytest

from tests.counting import CLICKS, click, lines
from tests.services.beaming import RUN, make_table, sink_of


@pytest.fixture
def definition(tmp_path):
    """Some clicks."""
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(seq) for seq in range(500)))
    return tmp_path / "clicks.yaml"


@pytest.mark.parametrize("runner", ["direct", "prism"])
def test_a_damaged_file_is_a_fault_of_the_data(beam, definition, tmp_path, runner):
    """What names it, and what to do, without a traceback."""
    (tmp_path / "cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00damaged")
    definition.write_text(CLICKS + sink_of(make_table()), "utf-8")
    options = ("--input", "cut.jsonl.gz", "--runner", runner, "--prism", beam.prism)
    code, _, err = beam.run(*RUN, str(definition), *options)
    assert (code, "Traceback" in err) == (4, False), err
    assert "error: cut.jsonl.gz is damaged at unpacked byte 0: gzip: it ends too early\nnext: repair it" in err, err


def test_ctrl_c_ends_a_job_on_direct(beam, definition):
    """As everywhere: no fault of the runner."""
    definition.write_text(CLICKS + sink_of(make_table()), "utf-8")
    process = beam.start("-m", "tests.services.beam_waiting", *RUN[2:], str(definition), "--runner", "direct")
    assert any("a bundle waits" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "error" in err) == (130, False), err
