CREATE VIEW e AS
  SELECT record->>'id' AS id, record->>'k' AS k, COALESCE(record->>'j', 'none') AS j, COALESCE((record->>'v')::BIGINT, 7) AS v
  FROM log WHERE step <= 5;
-- cells m k all
SELECT NULL AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 2 ORDER BY 2 NULLS FIRST;
-- cells m k,j all
SELECT NULL AS "window", k, j, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 2, 3 ORDER BY 2 NULLS FIRST, 3 NULLS FIRST;
