CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

CREATE VIEW j AS SELECT *, step = min(step) OVER (PARTITION BY id) AS first FROM e;
CREATE VIEW c AS SELECT * FROM j WHERE first;
-- cells m - 1m
SELECT date_trunc('minute', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1 ORDER BY 1;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1 ORDER BY 1;
-- cells m - 1d
SELECT date_trunc('day', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1 ORDER BY 1;
-- cells m k 1m
SELECT date_trunc('minute', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1, 2 ORDER BY 2, 1;
-- cells m k 1h
SELECT date_trunc('hour', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1, 2 ORDER BY 2, 1;
-- cells m k 1d
SELECT date_trunc('day', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1, 2 ORDER BY 2, 1;
-- ledger
SELECT CASE WHEN first THEN 'counted' WHEN r - t < INTERVAL 1 SECOND THEN 'duplicate under_1s'
            WHEN r - t < INTERVAL 1 DAY THEN 'duplicate under_1d' ELSE 'duplicate over_1d' END AS account, count(*) AS records
FROM j GROUP BY 1;
