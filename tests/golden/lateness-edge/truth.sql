CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

CREATE VIEW c AS SELECT * FROM e WHERE r - t <= INTERVAL 1 HOUR;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1 ORDER BY 1;
-- cells m - 1d
SELECT date_trunc('day', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1 ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c;
-- ledger
SELECT CASE WHEN r - t <= INTERVAL 1 HOUR THEN 'counted' ELSE 'too_late lateness' END AS account, count(*) AS records FROM e GROUP BY 1;
