CREATE VIEW e AS SELECT step, record->>'k' AS k, record->>'j' AS j, (record->>'v')::BIGINT AS v FROM log;
CREATE VIEW k2 AS SELECT k FROM e GROUP BY k ORDER BY min(step) LIMIT 2;
CREATE VIEW kj2 AS SELECT k, j FROM e GROUP BY k, j ORDER BY min(step) LIMIT 2;
CREATE VIEW k1 AS SELECT k FROM e WHERE v > 2 GROUP BY k ORDER BY min(step) LIMIT 1;
-- cells m k all
SELECT NULL AS "window", k2.k, k2.k IS NULL AS "(other)", count(*) AS events, sum(v)::BIGINT AS total
  FROM e LEFT JOIN k2 USING (k) GROUP BY 2 ORDER BY 2 NULLS LAST;
-- cells m j all
SELECT NULL AS "window", j, false AS "(other)", count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 2 ORDER BY 2;
-- cells m k,j all
SELECT NULL AS "window", kj2.k, kj2.j, kj2.k IS NULL AS "(other)", count(*) AS events, sum(v)::BIGINT AS total
  FROM e LEFT JOIN kj2 USING (k, j) GROUP BY 2, 3 ORDER BY 2 NULLS LAST;
-- cells n k all
SELECT NULL AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM e GROUP BY 2 ORDER BY 2;
-- cells p k all
SELECT NULL AS "window", k1.k, k1.k IS NULL AS "(other)", count(*) AS events, sum(v)::BIGINT AS total
  FROM e LEFT JOIN k1 USING (k) WHERE v > 2 GROUP BY 2 ORDER BY 2 NULLS LAST;
-- cells p - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e WHERE v > 2;
