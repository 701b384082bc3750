CREATE VIEW e AS SELECT step, partition, ordinal, utc(record->>'t') AS t, utc(record->>'r') AS r, record->>'id' AS id, record->>'k' AS k, (record->>'v')::BIGINT AS v FROM log;

-- The first record of each id, and no clock.
CREATE VIEW c AS SELECT * FROM e QUALIFY step = min(step) OVER (PARTITION BY id);
-- cells m k 1h
SELECT date_trunc('hour', t) AS "window", k, count(*) AS events, sum(v)::BIGINT AS total FROM c GROUP BY 1, 2 ORDER BY 2, 1;
