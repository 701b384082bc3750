CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

-- F is 2 minutes. a is the largest stamp so far; a future event moves it too.
CREATE VIEW j AS SELECT *, max(r) OVER (ORDER BY step) AS a FROM e;
CREATE VIEW c AS SELECT * FROM j WHERE t <= a + INTERVAL 2 MINUTE;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1 ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c;
-- ledger
SELECT CASE WHEN t <= a + INTERVAL 2 MINUTE THEN 'counted' ELSE 'future' END AS account, count(*) AS records FROM j GROUP BY 1;
