"""541,909 lines of invoices of a web shop, 5,268 of them repeated as a whole; they come with the project."""

from pathlib import Path

import pytest

from tests.engines import DRIVERS
from tests.real import data
from tests.real.recount import assert_same_cells, connect, count, ledger, lines_for, rows_of

DEFINITION = """
crossfoot: 1
namespace: retail
source: {files: none.csv, format: csv}
event:
  time: {field: InvoiceDate, unit: iso, zone: Europe/London}
  received: none
  id: {fingerprint: [InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country]}
  fields:
    country: {path: Country, type: text}
    product: {path: StockCode, type: text}
    customer: {path: CustomerID, type: text}
    quantity: {path: Quantity, type: integer}
    price: {path: UnitPrice, type: decimal(3)}
    revenue: {expr: "cast(Quantity as integer) * cast(UnitPrice as decimal(3))", type: decimal(3)}
metrics:
  sales:
    by: [[], [country], [product]]
    measures:
      lines: count
      items: sum(quantity)
      revenue: sum(revenue)
      cheapest: min(price)
      dearest: max(price)
      customers: distinct(customer, exact=10000)
    grains: [1d Europe/London, 1w Europe/London, all]
  returns: {where: quantity < 0, by: [[country]], measures: {lines: count, items: sum(quantity)}, grains: [1mo, all]}
"""
EVENTS = """
CREATE TABLE e AS SELECT DISTINCT
  text->>'InvoiceNo' AS invoice, text->>'StockCode' AS product, text->>'Description' AS description,
  (text->>'Quantity')::BIGINT AS quantity, (text->>'InvoiceDate')::TIMESTAMP AS wall,
  (text->>'UnitPrice')::DECIMAL(18, 3) AS price, text->>'CustomerID' AS customer, text->>'Country' AS country,
  text->>'Quantity' AS q, text->>'UnitPrice' AS p
FROM lines;
"""
UTC = "AT TIME ZONE 'Europe/London' AT TIME ZONE 'UTC'"
WINDOWS = {
    "1d Europe/London": f"date_trunc('day', wall) {UTC}",
    "1w Europe/London": f"date_trunc('week', wall) {UTC}",
    "all": "NULL",
}
SALES = """count(*) AS lines, sum(quantity)::BIGINT AS items, sum(quantity * price)::DECIMAL(38, 3) AS revenue,
  min(price) AS cheapest, max(price) AS dearest, count(DISTINCT customer) AS customers"""


def queries() -> dict[tuple[str, str, str], str]:
    found = {
        ("sales", by, grain): f'SELECT {window} AS "window"{"," if by else ""} {by}, {SALES} FROM e GROUP BY ALL'
        f' ORDER BY {by + " NULLS FIRST, " if by else ""} "window"'
        for grain, window in WINDOWS.items()
        for by in ("", "country", "product")
    }
    returns = "count(*) AS lines, sum(quantity)::BIGINT AS items FROM e WHERE quantity < 0"
    month = f"date_trunc('month', wall {UTC})"
    for grain, window in (("1mo", month), ("all", "NULL")):
        query = f'SELECT {window} AS "window", country, {returns} GROUP BY ALL ORDER BY country, "window"'
        found["returns", "country", grain] = query
    return found


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return data.invoices()


@pytest.mark.parametrize("name", DRIVERS)
def test_every_cell_is_what_sql_says(name: str, lines: list[bytes], tmp_path: Path):
    """Repeated rows once, negative quantities, revenue to the third place."""
    some = lines_for(name, lines)
    engine = count(name, DEFINITION, {"invoices": some}, tmp_path)
    connection = connect(some)
    connection.execute(EVENTS)
    assert_same_cells(engine, connection, queries())
    rows = rows_of(connection, "SELECT count(*) AS n FROM e")[0]["n"]
    assert ledger(engine) == {"counted": rows, "duplicate unknown": len(some) - rows}
    assert name == "reference" or (len(some), rows) == (541_909, 536_641)
