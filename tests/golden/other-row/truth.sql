CREATE VIEW e AS SELECT step, date_trunc('hour', utc(record->>'t')) AS h, record->>'k' AS k, (record->>'v')::BIGINT AS v
  FROM log WHERE step <= 7;
CREATE VIEW kept AS SELECT k FROM e GROUP BY k ORDER BY min(step) LIMIT 2;
CREATE VIEW r AS SELECT h, v, k NOT IN (FROM kept) AS other, CASE WHEN k IN (FROM kept) THEN k END AS k FROM e;
-- cells m - 1h
SELECT h AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 1 ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e;
-- cells m k 1h
SELECT h AS "window", k, other AS "(other)", count(*) AS events, sum(v)::BIGINT AS total FROM r GROUP BY ALL ORDER BY other, k, 1;
-- cells m k all
SELECT NULL AS "window", k, other AS "(other)", count(*) AS events, sum(v)::BIGINT AS total FROM r GROUP BY ALL ORDER BY other, k;
