"""Adds up the closing lines of cargo test and pytest in logs and prints them as one plain line."""

import re
import sys
from collections import Counter
from pathlib import Path

CARGO_LINE = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
PYTEST_LINE = re.compile(r"^(?:=+ )?(?=\d+ (?:passed|failed|skipped|errors?)\b)(.+?) in [\d.]+s")
PYTEST_PART = re.compile(r"(\d+) (passed|failed|skipped|error|xfailed)")
KIND = {"error": "failed", "xfailed": "skipped"}


def total(lines: list[str]) -> Counter[str]:
    """Counts of a log by passed, failed and skipped; one without pytest's closing line is an error."""
    counts: Counter[str] = Counter()
    seen_pytest = False
    for line in lines:
        if cargo := CARGO_LINE.match(line):
            counts.update(dict(zip(("passed", "failed", "skipped"), map(int, cargo.groups()), strict=True)))
        elif pytest := PYTEST_LINE.match(line):
            seen_pytest = True
            for number, kind in PYTEST_PART.findall(pytest.group(1)):
                counts[KIND.get(kind, kind)] += int(number)
    if not seen_pytest:
        raise SystemExit("sum_tests: the log has no closing line of pytest")
    return counts


if __name__ == "__main__":
    logs = [Path(name).read_text(encoding="utf-8", errors="replace") for name in sys.argv[1:]]
    counts = sum((total(log.splitlines()) for log in logs), Counter())
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
