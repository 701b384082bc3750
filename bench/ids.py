"""What remembering an id costs as their number grows: the memory of ids alone, fed as the engine feeds it.

Needs cargo. Times are of this process's wall clock; 100 million ids take about 4 GB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from bench.machine import describe

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=100_000_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    given = parser.parse_args()
    command = ["cargo", "run", "--release", "--locked", "-q", "-p", "crossfoot-core", "--example", "ids_bench", "--"]
    told = subprocess.run([*command, str(given.ids)], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    steps = [json.loads(line) for line in told.splitlines()]
    result = {"workload": "ids", "ids": given.ids, "steps": steps, "machine": describe()}
    (given.out / "ids.json").write_text(json.dumps(result, indent=1) + "\n")
    print(told, end="")


if __name__ == "__main__":
    main()
