CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e WHERE step = (SELECT min(step) FROM e AS f WHERE f.id = e.id);
-- ledger
SELECT CASE WHEN EXISTS (FROM e AS f WHERE f.id = e.id AND f.step < e.step) THEN 'duplicate under_1h' ELSE 'counted' END AS account, count(*) AS records
FROM e GROUP BY 1;
