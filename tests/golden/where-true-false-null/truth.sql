CREATE VIEW e AS SELECT step, record->>'k' AS k, (record->>'v')::BIGINT AS v, record->>'id' AS id FROM log;
-- cells m - all
SELECT NULL AS "window", count(DISTINCT id) AS events, sum(v) FILTER (WHERE step = 2)::BIGINT AS total FROM e WHERE k = 'x' AND v > 0;
-- ledger
SELECT CASE WHEN k = 'x' AND v > 0 THEN CASE WHEN step = 2 THEN 'counted' ELSE 'conflict time' END ELSE 'filtered' END AS account, count(*) AS records FROM e GROUP BY 1;
