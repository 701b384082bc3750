CREATE VIEW e AS SELECT utc(record->>'t') AS t, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 1d Europe/Paris
SELECT unzoned(date_trunc('day', zoned(t, 'Europe/Paris')), 'Europe/Paris') AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - 1w Europe/Paris
SELECT unzoned(date_trunc('week', zoned(t, 'Europe/Paris')), 'Europe/Paris') AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
