CREATE VIEW e AS SELECT utc(record->>'t') AS t, record->>'k' AS k, (record->>'v')::HUGEINT AS v FROM log;
-- cells m k 1h
SELECT date_trunc('hour', t) AS "window", k, count(*) AS events, sum(v) AS total, min(v) AS least, max(v) AS most, sum(v)::DOUBLE / count(v) AS mean FROM e GROUP BY 1, 2 ORDER BY 2, 1;
-- cells m k all
SELECT NULL AS "window", k, count(*) AS events, sum(v) AS total, min(v) AS least, max(v) AS most, sum(v)::DOUBLE / count(v) AS mean FROM e GROUP BY 2 ORDER BY 2;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v) AS total, min(v) AS least, max(v) AS most, sum(v)::DOUBLE / count(v) AS mean FROM e GROUP BY 1 ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v) AS total, min(v) AS least, max(v) AS most, sum(v)::DOUBLE / count(v) AS mean FROM e;
