CREATE VIEW e AS SELECT utc(record->>'t') AS t, record->>'k' AS k, (record->>'v')::BIGINT AS v, (record->>'p')::DECIMAL(18, 3) AS p FROM log;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(p) AS total, sum(p)::DOUBLE / count(p) AS mean, sum(v)::DOUBLE / count(v) AS mean_v, min(p) AS least, max(p) AS most,
       count(DISTINCT k) AS members, count(DISTINCT p) AS prices, min(v) AS q0, quantile_disc(v, 0.25) AS q25, quantile_disc(v, 0.5) AS q50, quantile_disc(v, 0.75) AS q75, max(v) AS q100
FROM e GROUP BY 1 ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(p) AS total, sum(p)::DOUBLE / count(p) AS mean, sum(v)::DOUBLE / count(v) AS mean_v, min(p) AS least, max(p) AS most,
       count(DISTINCT k) AS members, count(DISTINCT p) AS prices, min(v) AS q0, quantile_disc(v, 0.25) AS q25, quantile_disc(v, 0.5) AS q50, quantile_disc(v, 0.75) AS q75, max(v) AS q100
FROM e;
-- cells m k 1h
SELECT date_trunc('hour', t) AS "window", k, count(*) AS events, sum(p) AS total, sum(p)::DOUBLE / count(p) AS mean, sum(v)::DOUBLE / count(v) AS mean_v, min(p) AS least, max(p) AS most,
       count(DISTINCT k) AS members, count(DISTINCT p) AS prices, min(v) AS q0, quantile_disc(v, 0.25) AS q25, quantile_disc(v, 0.5) AS q50, quantile_disc(v, 0.75) AS q75, max(v) AS q100
FROM e GROUP BY 1, 2 ORDER BY 2 NULLS FIRST, 1;
-- cells m k all
SELECT NULL AS "window", k, count(*) AS events, sum(p) AS total, sum(p)::DOUBLE / count(p) AS mean, sum(v)::DOUBLE / count(v) AS mean_v, min(p) AS least, max(p) AS most,
       count(DISTINCT k) AS members, count(DISTINCT p) AS prices, min(v) AS q0, quantile_disc(v, 0.25) AS q25, quantile_disc(v, 0.5) AS q50, quantile_disc(v, 0.75) AS q75, max(v) AS q100
FROM e GROUP BY 2 ORDER BY 2 NULLS FIRST;
