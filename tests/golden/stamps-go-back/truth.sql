CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

-- a = the largest stamp of the partition so far.
CREATE VIEW j AS SELECT *, max(r) OVER (PARTITION BY partition ORDER BY step) AS a FROM e;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM j WHERE a - t <= INTERVAL 1 HOUR;
-- ledger
SELECT CASE WHEN a - t <= INTERVAL 1 HOUR THEN 'counted' ELSE 'too_late lateness' END AS account, count(*) AS records FROM j GROUP BY 1;
