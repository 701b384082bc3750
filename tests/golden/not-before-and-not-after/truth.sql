CREATE VIEW e AS SELECT utc(record->>'t') AS t, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;
-- cells m - 1d
SELECT date_trunc('day', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM e WHERE t BETWEEN TIMESTAMP '2024-05-01' AND TIMESTAMP '2024-05-02' GROUP BY 1 ORDER BY 1;
-- ledger
SELECT CASE WHEN t BETWEEN TIMESTAMP '2024-05-01' AND TIMESTAMP '2024-05-02' THEN 'counted' ELSE 'invalid range time' END AS account, count(*) AS records FROM e GROUP BY 1;
