-- Every record with its account, rule by rule, in the order of the accounts.
CREATE TABLE raw AS SELECT *, json_valid(record) AS ok FROM log;
CREATE TABLE e AS
  SELECT step, record->>'kind' AS kind, record->>'id' AS id, json_type(record->'v') AS type,
         utc(record->>'t') AS t, utc(record->>'r') AS r, TRY_CAST(record->>'v' AS BIGINT) AS v
  FROM raw WHERE ok;
CREATE TABLE judged AS
  SELECT *, CASE
    WHEN kind = 'ping' THEN 'filtered'
    WHEN type = 'VARCHAR' THEN 'invalid type v'
    WHEN t > r + INTERVAL 5 MINUTE THEN 'future'
    WHEN r - t > INTERVAL 1 HOUR THEN 'too_late lateness'
  END AS early FROM e;
CREATE TABLE final AS
  SELECT *, COALESCE(early, CASE
    WHEN step = min(step) OVER (PARTITION BY id) THEN 'counted'
    WHEN v = first_value(v) OVER (PARTITION BY id ORDER BY step) THEN 'duplicate under_1h'
    ELSE 'conflict content'
  END) AS account FROM judged;
-- cells m - 1h
SELECT date_trunc('hour', t) AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM final WHERE account = 'counted' GROUP BY 1 ORDER BY 1;
-- cells m - all
SELECT NULL AS "window", count(*) AS events, sum(v)::BIGINT AS total FROM final WHERE account = 'counted';
-- cells m kind 1h
SELECT date_trunc('hour', t) AS "window", kind, count(*) AS events, sum(v)::BIGINT AS total FROM final WHERE account = 'counted' GROUP BY 1, 2 ORDER BY 2, 1;
-- cells m kind all
SELECT NULL AS "window", kind, count(*) AS events, sum(v)::BIGINT AS total FROM final WHERE account = 'counted' GROUP BY 2 ORDER BY 2;
-- ledger
SELECT account, count(*) AS records FROM (SELECT account FROM final UNION ALL SELECT 'malformed syntax' FROM raw WHERE NOT ok) GROUP BY 1;
