CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

-- cells m - all
SELECT NULL AS "window", count(DISTINCT id) AS events, min(v)::BIGINT AS total FROM e;
-- ledger
SELECT CASE WHEN step = 2 THEN 'counted' WHEN r - t > INTERVAL 2 DAY THEN 'too_late lateness'
            WHEN r - t < INTERVAL 1 SECOND THEN 'duplicate under_1s' WHEN r - t < INTERVAL 1 MINUTE THEN 'duplicate under_1m'
            WHEN r - t < INTERVAL 1 HOUR THEN 'duplicate under_1h' WHEN r - t < INTERVAL 1 DAY THEN 'duplicate under_1d'
            ELSE 'duplicate over_1d' END AS account, count(*) AS records
FROM e GROUP BY 1;
