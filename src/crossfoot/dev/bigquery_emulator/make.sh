# An environment of its own for the emulator, which has another DuckDB than we do. $1: our Python, $2: recipe, $3: target. -I: nothing of the caller's PYTHONPATH.
set -eu
"$1" -I -m venv "$3/environment"
"$3/environment/bin/python" -I -m pip install --quiet --disable-pip-version-check -r "$2/requirements.txt"
mkdir -p "$3/home"
HOME="$3/home" "$3/environment/bin/python" -c "
from duckdb_extensions import import_extension
for name in ('spatial', 'avro', 'icu'):
    import_extension(name)
"
