CREATE VIEW e AS SELECT step, utc(record->>'t') AS t, record->>'id' AS id, record->>'k' AS k, (record->>'v')::DOUBLE AS v FROM log;
CREATE VIEW j AS
  SELECT *, row_number() OVER w AS n, first_value(t) OVER w AS t0, first_value(k) OVER w AS k0, first_value(v) OVER w AS v0
  FROM e WINDOW w AS (PARTITION BY id ORDER BY step);
-- cells m k 1h
SELECT date_trunc('hour', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM j WHERE n = 1 GROUP BY 1, 2 ORDER BY 2, 1;
-- ledger
SELECT CASE WHEN n = 1 THEN 'counted' WHEN t <> t0 THEN 'conflict time'
            WHEN k IS DISTINCT FROM k0 OR v <> v0 THEN 'conflict content' ELSE 'duplicate under_1h' END AS account, count(*) AS records
FROM j GROUP BY 1;
