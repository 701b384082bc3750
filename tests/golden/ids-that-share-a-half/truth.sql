-- The text is the id; equal texts are copies.
CREATE TABLE event AS SELECT record->>'id' AS id, (record->>'v')::BIGINT AS v, row_number() OVER (PARTITION BY record->>'id' ORDER BY step) AS copy FROM log;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM event WHERE copy = 1;
-- ledger
SELECT CASE WHEN copy = 1 THEN 'counted' ELSE 'duplicate unknown' END AS account, count(*) AS records FROM event GROUP BY 1;
