CREATE VIEW e AS SELECT DISTINCT record->>'source' AS source, record->>'id' AS id, record->>'type' AS type, utc(record->>'time') AS t, (record->'data'->>'v')::BIGINT AS v FROM log;
-- cells m type 1d
SELECT date_trunc('day', t) AS "window", type, count(*) AS events, sum(v)::BIGINT AS total FROM e WHERE source IS NOT NULL AND t IS NOT NULL GROUP BY 1, 2 ORDER BY 2, 1;
