CREATE VIEW e AS SELECT record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;
-- cells m k all
SELECT NULL AS "window", k, count(*) AS events, count(v) AS values, sum(v)::BIGINT AS total, min(v) AS least, max(v) AS most,
       avg(v) AS mean, count(DISTINCT v) AS members, quantile_disc(v, 0.5) AS middle
FROM e GROUP BY 2 ORDER BY 2;
