"""Real records: some come with the project, larger ones are in a folder beside."""

import csv
import gzip
import io
import json
import tarfile

from tests.needs import shared_data


def lines_of(name: str) -> list[bytes]:
    """A packed file's."""
    return gzip.decompress(shared_data(name).read_bytes()).splitlines()


def edits() -> list[bytes]:
    """39,244 of Wikipedia."""
    return lines_of("wikipedia-edits/wikiticker-2015-09-12-sampled.json.gz")


def history() -> list[bytes]:
    """385,201 changes of files in the history of a project."""
    return lines_of("git-history/pinot-file-events.jsonl.gz")


def github() -> list[bytes]:
    """800 events of a few hours."""
    return lines_of("github-events-pinot/2021-07-21-few-hours.json.gz")


def access() -> list[bytes]:
    """10,000 lines of a web server's log."""
    return lines_of("apache-access-log/apache_logs.gz")


def invoices() -> list[bytes]:
    """541,909 lines of a web shop's, as the CSV source hands them on: texts by their column, empty cells as null."""
    found = []
    with tarfile.open(shared_data("online-retail/by-day.tar.gz")) as archive:
        for member in sorted((m for m in archive if m.isfile() and m.name.endswith(".csv")), key=lambda m: m.name):
            file = archive.extractfile(member)
            assert file is not None
            rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
            found += [json.dumps({name: cell or None for name, cell in row.items()}).encode() for row in rows]
    return found
