CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

-- Each partition has its own clock: its largest stamp so far.
CREATE VIEW j AS SELECT *, max(r) OVER (PARTITION BY partition ORDER BY step) AS a FROM e;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM j WHERE a - t <= INTERVAL 1 HOUR GROUP BY 1 ORDER BY 1;
-- ledger
SELECT CASE WHEN a - t <= INTERVAL 1 HOUR THEN 'counted' END AS account, count(*) AS records FROM j GROUP BY 1;
