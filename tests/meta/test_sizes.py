"""Files and functions stay small. There is no list of exceptions: nothing is over a ceiling."""

from pathlib import Path

import pytest

from tests.meta import source_tree as tree

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 7


@pytest.fixture(scope="module")
def functions() -> list[tree.FunctionSize]:
    """Every function of the project."""
    python = [size for path in tree.python_files() for size in tree.python_functions(path)]
    return python + [size for path in tree.rust_files() for size in tree.rust_functions(path)]


def test_no_file_is_over_its_ceiling():
    """A source file has at most 600 lines."""
    sources = [*tree.python_files(), *tree.rust_files()]
    lines = {tree.relative(path): path.read_text(encoding="utf-8").count("\n") for path in sources}
    assert {place: count for place, count in lines.items() if count > FILE_LINES_MAX} == {}


def test_no_function_is_over_its_ceiling(functions):
    """A function has at most 60 lines."""
    assert [size for size in functions if size.lines > FUNCTION_LINES_MAX] == []


def test_no_function_has_too_many_parameters(functions):
    """A function has at most 7 parameters; more become an options value."""
    assert [size for size in functions if size.parameters > PARAMETERS_MAX] == []


RUST_SAMPLE = """
impl Thing {
    // a brace in a comment { and one in a text below
    pub(crate) fn speak<'a>(&'a mut self, name: &'a str, pairs: HashMap<u8, (u8, u8)>) -> char {
        let text = "}}}{";
        if name.is_empty() { '{' } else { '\\'' }
    }
    fn declared(&self);
}
"""


@pytest.mark.parametrize(("name", "lines", "parameters"), [("speak", 4, 2), ("declared", 1, 0)])
def test_rust_functions_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name, lines, parameters):
    """Braces in comments, texts and characters do not mislead the scan."""
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    (tmp_path / "sample.rs").write_text(RUST_SAMPLE)
    sizes = {size.place: size for size in tree.rust_functions(tmp_path / "sample.rs")}
    assert sizes[f"sample.rs::{name}"] == tree.FunctionSize(f"sample.rs::{name}", lines, parameters)
