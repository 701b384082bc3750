#!/bin/sh
# Finds Python >= 3.11, Rust >= 1.88 and a C linker. Prints the Python to use; refuses in one line with the way to get what is missing.
set -eu

refuse() {
    echo "setup: $1" >&2
    exit 1
}

python_is_new() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

found=""
for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
    if python_is_new "$candidate"; then
        found=$candidate
        break
    fi
    [ -z "${PYTHON:-}" ] || break
done
[ -n "$found" ] || refuse "Python 3.11 or newer is needed; get it with 'sudo apt install python3 python3-venv' or from https://www.python.org, or name one: make setup PYTHON=/path/to/python3"
"$found" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
    refuse "this Python has no venv module; get it with 'sudo apt install python3-venv'"

rust=$(rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9]*\)\.\([0-9]*\).*/\1 \2/p') || rust=""
[ -n "$rust" ] && cargo --version >/dev/null 2>&1 ||
    refuse "Rust 1.88 or newer is needed (rustc and cargo); get it from https://rustup.rs"
major=${rust% *}
minor=${rust#* }
[ "$major" -gt 1 ] || [ "$minor" -ge 88 ] ||
    refuse "Rust 1.88 or newer is needed, this is $major.$minor; renew it with 'rustup update stable' or get it from https://rustup.rs"
command -v cc >/dev/null 2>&1 || refuse "a C compiler is needed to link Rust; get it with 'sudo apt install gcc libc6-dev'"

echo "$found"
