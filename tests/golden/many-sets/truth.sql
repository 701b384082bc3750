CREATE VIEW e AS SELECT utc(record->>'t') AS t, record->>'k' AS k, (record->>'j')::BIGINT AS j, (record->>'b')::BOOLEAN AS b, (record->>'d')::DECIMAL(18, 1) AS d, (record->>'v')::BIGINT AS v FROM log;
-- cells one - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 1;
-- cells one - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 1;
-- cells one k 1h
SELECT date_trunc('hour', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 1;
-- cells one k all
SELECT NULL AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 1;
-- cells one j 1h
SELECT date_trunc('hour', t) AS "window", j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 1;
-- cells one j all
SELECT NULL AS "window", j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 1;
-- cells one k,j 1h
SELECT date_trunc('hour', t) AS "window", k, j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 3 NULLS FIRST, 1;
-- cells one k,j all
SELECT NULL AS "window", k, j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 3 NULLS FIRST, 1;
-- cells one j,b,k 1h
SELECT date_trunc('hour', t) AS "window", j, b, k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 3 NULLS FIRST, 4 NULLS FIRST, 1;
-- cells one j,b,k all
SELECT NULL AS "window", j, b, k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 3 NULLS FIRST, 4 NULLS FIRST, 1;
-- cells two b 1d
SELECT date_trunc('day', t) AS "window", b, count(*) AS events, max(v) AS most FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 1;
-- cells two d 1d
SELECT date_trunc('day', t) AS "window", d, count(*) AS events, max(v) AS most FROM e GROUP BY ALL ORDER BY 2 NULLS FIRST, 1;
