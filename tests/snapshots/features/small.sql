WITH event AS (
SELECT
  "_key",
  "event_id" AS "_event_id",
  "_f_series" AS "_entity",
  "_partition",
  "_offset",
  "event_time_ms" AS "_event_time_ms",
  "ingested_at_ms" AS "_ingested_at_ms",
  "clock_ms" AS "_clock_ms",
  "generation" AS "_generation",
  ("_f_s" = 'a') AS "_in_is_a",
  ("_f_x" * 2.0e0) AS "_in_doubled",
  "_f_n" AS "_in_n",
  "_f_x" AS "_in_x",
  row_number() OVER (PARTITION BY "_key", "generation" ORDER BY "_offset", "_partition") AS "_row"
FROM accepted
),
framed AS (
SELECT
  * REPLACE (
    CASE WHEN isfinite("_in_doubled") THEN "_in_doubled" END + 0e0 AS "_in_doubled"
  ),
  "_row" - 1 - (count(*) OVER (PARTITION BY "_key", "_generation" ORDER BY "_clock_ms") - count(*) OVER (PARTITION BY "_key", "_generation" ORDER BY "_clock_ms" RANGE BETWEEN 299999 PRECEDING AND CURRENT ROW)) AS "_before_300000"
FROM event
),
kernel AS (
SELECT
  *,
  CAST(lag("_in_is_a", 1) OVER in_order AS BIGINT) AS "is_a_lag_1",
  COALESCE(sum(CAST("_in_doubled" AS DOUBLE)) OVER "over_5m_before", 0e0) AS "doubled_sum_5m_before",
  CAST(min("_in_doubled") OVER "over_5m_before" AS DOUBLE) AS "doubled_min_5m_before",
  COALESCE(sum(CAST("_in_doubled" AS DOUBLE)) OVER "over_50_rows_before", 0e0) AS "doubled_sum_50_rows_before",
  CAST(min("_in_doubled") OVER "over_50_rows_before" AS DOUBLE) AS "doubled_min_50_rows_before",
  sum(CAST("_in_n" AS DOUBLE)) OVER "over_5m" / count("_in_n") OVER "over_5m" AS "n_mean_5m",
  CAST(max("_in_n") OVER "over_5m" AS BIGINT) AS "n_max_5m",
  date_part('hour', make_timestamptz("_event_time_ms" * 1000) AT TIME ZONE 'Europe/Berlin') AS "hour"
FROM framed
WINDOW
  in_order AS (PARTITION BY "_key", "_generation" ORDER BY "_row"),
  "over_5m_before" AS (PARTITION BY "_key", "_generation" ORDER BY "_row" ROWS BETWEEN "_before_300000" PRECEDING AND 1 PRECEDING),
  "over_50_rows_before" AS (PARTITION BY "_key", "_generation" ORDER BY "_row" ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING),
  "over_5m" AS (PARTITION BY "_key", "_generation" ORDER BY "_row" ROWS BETWEEN "_before_300000" PRECEDING AND CURRENT ROW)
),
valued AS (
SELECT
  "_event_id" AS "event_id",
  "_entity" AS "series",
  "_event_time_ms" AS "event_time_ms",
  "_clock_ms" AS "clock_ms",
  "_generation" AS "generation",
  "_partition" AS "source_partition",
  "_offset" AS "source_offset",
  "_ingested_at_ms" AS "ingested_at_ms",
  "is_a_lag_1",
  "doubled_sum_5m_before",
  "doubled_min_5m_before",
  "doubled_sum_50_rows_before",
  "doubled_min_50_rows_before",
  "n_mean_5m",
  "n_max_5m",
  "hour",
  ("_in_x" / NULLIF(("n_mean_5m" + 1.0e0), 0e0)) AS "share"
FROM kernel
)
SELECT
  CAST("event_id" AS VARCHAR) AS "event_id",
  CAST("series" AS VARCHAR) AS "series",
  CAST("event_time_ms" AS BIGINT) AS "event_time_ms",
  CAST("clock_ms" AS BIGINT) AS "clock_ms",
  CAST("generation" AS BIGINT) AS "generation",
  CAST("source_partition" AS INTEGER) AS "source_partition",
  CAST("source_offset" AS BIGINT) AS "source_offset",
  CAST("ingested_at_ms" AS BIGINT) AS "ingested_at_ms",
  CAST("is_a_lag_1" AS BIGINT) AS "is_a_lag_1",
  CAST(CASE WHEN isfinite("doubled_sum_5m_before") THEN "doubled_sum_5m_before" END + 0e0 AS DOUBLE) AS "doubled_sum_5m_before",
  CAST(CASE WHEN isfinite("doubled_min_5m_before") THEN "doubled_min_5m_before" END + 0e0 AS DOUBLE) AS "doubled_min_5m_before",
  CAST(CASE WHEN isfinite("doubled_sum_50_rows_before") THEN "doubled_sum_50_rows_before" END + 0e0 AS DOUBLE) AS "doubled_sum_50_rows_before",
  CAST(CASE WHEN isfinite("doubled_min_50_rows_before") THEN "doubled_min_50_rows_before" END + 0e0 AS DOUBLE) AS "doubled_min_50_rows_before",
  CAST(CASE WHEN isfinite("n_mean_5m") THEN "n_mean_5m" END + 0e0 AS DOUBLE) AS "n_mean_5m",
  CAST("n_max_5m" AS BIGINT) AS "n_max_5m",
  CAST("hour" AS BIGINT) AS "hour",
  CAST(CASE WHEN isfinite("share") THEN "share" END + 0e0 AS DOUBLE) AS "share"
FROM valued;
