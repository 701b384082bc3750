CREATE VIEW j AS SELECT *, utc(record->>'t') AS t, max(utc(record->>'r')) OVER (ORDER BY step) AS a FROM log;
CREATE VIEW e AS SELECT t, record->>'k' AS k, record->>'j' AS j, (record->>'v')::BIGINT AS v FROM j WHERE a - t <= INTERVAL 2 DAY;
-- cells m - 1m
SELECT date_trunc('minute', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 1;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 1;
-- cells m - 1d America/Los_Angeles
SELECT unzoned(date_trunc('day', zoned(t, 'America/Los_Angeles')), 'America/Los_Angeles') AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 1;
-- cells m k 1m
SELECT date_trunc('minute', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 1;
-- cells m k 1h
SELECT date_trunc('hour', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 1;
-- cells m k 1d America/Los_Angeles
SELECT unzoned(date_trunc('day', zoned(t, 'America/Los_Angeles')), 'America/Los_Angeles') AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 1;
-- cells m k all
SELECT NULL AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 1;
-- cells m k,j 1m
SELECT date_trunc('minute', t) AS "window", k, j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 3 NULLS FIRST, 1;
-- cells m k,j 1h
SELECT date_trunc('hour', t) AS "window", k, j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 3 NULLS FIRST, 1;
-- cells m k,j 1d America/Los_Angeles
SELECT unzoned(date_trunc('day', zoned(t, 'America/Los_Angeles')), 'America/Los_Angeles') AS "window", k, j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 3 NULLS FIRST, 1;
-- cells m k,j all
SELECT NULL AS "window", k, j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2, 3 NULLS FIRST, 1;
