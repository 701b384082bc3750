-- The invoice lines counted a second time, equal lines once: the tables of retail.yaml over all time, written by hand.
with line as (
    select distinct InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country
    from read_csv($files, header = true, all_varchar = true)
),
priced as (
    select
        Country as country,
        cast(Quantity as bigint) as items,
        cast(Quantity as bigint) * cast(UnitPrice as decimal(9, 3)) as revenue
    from line
)
select grouping(country) as whole, country, count(*) as lines, sum(items) as items, sum(revenue) as revenue
from priced
group by grouping sets ((), (country))
