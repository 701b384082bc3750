-- Whatever can be read is an event of its own.
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum((record->>'v')::BIGINT)::BIGINT AS total FROM log WHERE json_valid(record);
-- ledger
SELECT CASE WHEN json_valid(record) THEN 'counted' ELSE 'malformed syntax' END AS account, count(*) AS records FROM log GROUP BY 1;
