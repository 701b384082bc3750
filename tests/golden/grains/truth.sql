CREATE VIEW e AS SELECT utc(record->>'t') AS t, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;
-- cells m - 1m
SELECT date_trunc('minute', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 15m
SELECT time_bucket(INTERVAL 15 MINUTE, t, TIMESTAMP '1970-01-01') AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 6h
SELECT time_bucket(INTERVAL 6 HOUR, t, TIMESTAMP '1970-01-01') AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 1d
SELECT date_trunc('day', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 1w
SELECT date_trunc('week', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 1mo
SELECT date_trunc('month', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e;
