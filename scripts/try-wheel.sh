#!/bin/sh
# Installs the newest wheel of dist/ into a fresh environment, away from the source tree, and counts three records with it.
set -eu
wheel=$(ls -t dist/crossfoot-*.whl | head -n 1)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

python=$(sh scripts/check-tools.sh)
"$python" -m venv "$room/venv"
# The versions that are tested, without the hashes: a constraint file may not mix both kinds.
sed -n 's/ \\$//; /^[A-Za-z]/p' requirements-dev.txt > "$room/constraints.txt"
"$room/venv/bin/python" -m pip install --quiet --constraint "$room/constraints.txt" "$wheel"

cat > "$room/clicks.yaml" <<'YAML'
crossfoot: 1
namespace: clicks
source: {files: [clicks.jsonl], format: json}
event:
  time: {field: ts, unit: s}
  received: none
  id: seq
  fields: {page: page}
metrics:
  clicks: {by: [[page]], measures: {events: count}, grains: [1d]}
YAML
printf '%s\n' '{"seq":1,"ts":0,"page":"a"}' '{"seq":2,"ts":1,"page":"a"}' '{"seq":1,"ts":0,"page":"a"}' > "$room/clicks.jsonl"

cd "$room"
crossfoot="$room/venv/bin/crossfoot"
"$crossfoot" --version
"$crossfoot" run clicks.yaml --store store --once
answer=$("$crossfoot" query clicks --store store --by page --grain 1d --format ndjson)
expected='{"window": "1970-01-01T00:00:00Z", "page": "a", "events": 2}'
[ "$(printf %s "$answer" | tr -d ' ')" = "$(printf %s "$expected" | tr -d ' ')" ] || {
    echo "the wheel answered $answer, not $expected" >&2
    exit 1
}
echo "the wheel counted 2 of 3 records, 1 duplicate"
