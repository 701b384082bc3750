"""The rival: DuckDB reads the JSON lines, keeps one record per id and groups twelve ways, into tables of a file."""

from __future__ import annotations

import sys

import duckdb

SETS = [["item"], ["item", "kind"], ["country", "client"], []]
GRAINS = {"1m": "minute", "1h": "hour", "1d": "day"}
COLUMNS = (
    "{id: 'UUID', ts: 'BIGINT', kind: 'VARCHAR', user: 'BIGINT', item: 'BIGINT',"
    " country: 'VARCHAR', client: 'VARCHAR', duration: 'BIGINT'}"
)


def main(data: str, database: str, distinct: str) -> None:
    with duckdb.connect(database) as db:
        db.execute(
            f"""CREATE TEMP TABLE event AS
                SELECT * EXCLUDE (id, ts), to_timestamp(ts / 1000.0) AT TIME ZONE 'UTC' AS time FROM (
                  SELECT DISTINCT ON (id) * FROM read_json(?, format = 'newline_delimited', columns = {COLUMNS}))""",
            [data],
        )
        for dims in SETS:
            for grain, unit in GRAINS.items():
                keys = ", ".join([f"date_trunc('{unit}', time)::TIMESTAMPTZ AS \"window\"", *dims])
                groups = ", ".join(str(i + 1) for i in range(len(dims) + 1))
                db.execute(
                    f"""CREATE TABLE "{"_".join([*dims, grain])}" AS
                        SELECT {keys}, count(*) AS events, sum(duration) AS time_spent, {distinct} AS users
                        FROM event GROUP BY {groups}"""
                )


if __name__ == "__main__":
    main(*sys.argv[1:4])
