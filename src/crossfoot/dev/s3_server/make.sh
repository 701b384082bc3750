# An environment of its own for the server. $1: our Python, $2: recipe, $3: target. -I: nothing of the caller's PYTHONPATH.
set -eu
"$1" -I -m venv "$3/environment"
"$3/environment/bin/python" -I -m pip install --quiet --disable-pip-version-check -r "$2/requirements.txt"
