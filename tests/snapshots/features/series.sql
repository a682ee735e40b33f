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
  "_f_x" AS "_in_x",
  "_f_s" AS "_in_s",
  ("_f_x" > 10.0e0) AS "_in_above",
  row_number() OVER (PARTITION BY "_key", "generation" ORDER BY "_offset", "_partition") AS "_row"
FROM accepted
),
framed AS (
SELECT
  *,
  "_row" - 1 - (count(*) OVER (PARTITION BY "_key", "_generation" ORDER BY "_clock_ms") - count(*) OVER (PARTITION BY "_key", "_generation" ORDER BY "_clock_ms" RANGE BETWEEN 999 PRECEDING AND CURRENT ROW)) AS "_before_1000",
  "_row" - 1 - (count(*) OVER (PARTITION BY "_key", "_generation" ORDER BY "_clock_ms") - count(*) OVER (PARTITION BY "_key", "_generation" ORDER BY "_clock_ms" RANGE BETWEEN 2999 PRECEDING AND CURRENT ROW)) AS "_before_3000"
FROM event
),
kernel AS (
SELECT
  *,
  CAST(lag("_in_x", 1) OVER in_order AS DOUBLE) AS "x_lag_1",
  CAST(lag("_in_s", 1) OVER in_order AS VARCHAR) AS "s_lag_1",
  count("_in_x") OVER "over_1s" AS "x_count_1s",
  COALESCE(sum(CAST("_in_x" AS DOUBLE)) OVER "over_1s", 0e0) AS "x_sum_1s",
  sum(CAST("_in_x" AS DOUBLE)) OVER "over_1s" / count("_in_x") OVER "over_1s" AS "x_mean_1s",
  CASE WHEN min("_in_x") OVER "over_1s" = max("_in_x") OVER "over_1s" THEN 0e0 WHEN min("_in_x") OVER "over_1s" < max("_in_x") OVER "over_1s" THEN greatest(stddev_pop(CAST("_in_x" AS DOUBLE)) OVER "over_1s", CAST('4.9406564584124654e-324' AS DOUBLE)) END AS "x_std_1s",
  CAST(max("_in_x") OVER "over_1s" AS DOUBLE) AS "x_max_1s",
  count("_in_x") OVER "over_3_rows" AS "x_count_3_rows",
  COALESCE(sum(CAST("_in_x" AS DOUBLE)) OVER "over_3_rows", 0e0) AS "x_sum_3_rows",
  sum(CAST("_in_x" AS DOUBLE)) OVER "over_3_rows" / count("_in_x") OVER "over_3_rows" AS "x_mean_3_rows",
  CASE WHEN min("_in_x") OVER "over_3_rows" = max("_in_x") OVER "over_3_rows" THEN 0e0 WHEN min("_in_x") OVER "over_3_rows" < max("_in_x") OVER "over_3_rows" THEN greatest(stddev_pop(CAST("_in_x" AS DOUBLE)) OVER "over_3_rows", CAST('4.9406564584124654e-324' AS DOUBLE)) END AS "x_std_3_rows",
  CAST(max("_in_x") OVER "over_3_rows" AS DOUBLE) AS "x_max_3_rows",
  count("_in_x") OVER "over_3s_before" AS "x_count_3s_before",
  sum(CAST("_in_x" AS DOUBLE)) OVER "over_3s_before" / count("_in_x") OVER "over_3s_before" AS "x_mean_3s_before",
  CASE WHEN min("_in_x") OVER "over_3s_before" = max("_in_x") OVER "over_3s_before" THEN 0e0 WHEN min("_in_x") OVER "over_3s_before" < max("_in_x") OVER "over_3s_before" THEN greatest(stddev_pop(CAST("_in_x" AS DOUBLE)) OVER "over_3s_before", CAST('4.9406564584124654e-324' AS DOUBLE)) END AS "x_std_3s_before",
  ("_clock_ms" - lag("_clock_ms") OVER in_order) / 1e3 AS "since_last_seconds",
  "_event_time_ms" // 3600000 % 24 AS "hour",
  ("_event_time_ms" // 86400000 + 3) % 7 + 1 AS "day_of_week"
FROM framed
WINDOW
  in_order AS (PARTITION BY "_key", "_generation" ORDER BY "_row"),
  "over_1s" AS (PARTITION BY "_key", "_generation" ORDER BY "_row" ROWS BETWEEN "_before_1000" PRECEDING AND CURRENT ROW),
  "over_3_rows" AS (PARTITION BY "_key", "_generation" ORDER BY "_row" ROWS BETWEEN 2 PRECEDING AND CURRENT ROW),
  "over_3s_before" AS (PARTITION BY "_key", "_generation" ORDER BY "_row" ROWS BETWEEN "_before_3000" PRECEDING AND 1 PRECEDING)
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
  "x_lag_1",
  "s_lag_1",
  "x_count_1s",
  "x_sum_1s",
  "x_mean_1s",
  "x_std_1s",
  "x_max_1s",
  "x_count_3_rows",
  "x_sum_3_rows",
  "x_mean_3_rows",
  "x_std_3_rows",
  "x_max_3_rows",
  (CASE WHEN (CAST("x_count_3s_before" AS DOUBLE) >= 11.0e0) THEN (("_in_x" - "x_mean_3s_before") / NULLIF("x_std_3s_before", 0e0)) ELSE CAST(NULL AS DOUBLE) END) AS "x_zscore_3s",
  "since_last_seconds",
  "hour",
  "day_of_week",
  "_in_above" AS "high"
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
  CAST(CASE WHEN isfinite("x_lag_1") THEN "x_lag_1" END + 0e0 AS DOUBLE) AS "x_lag_1",
  CAST("s_lag_1" AS VARCHAR) AS "s_lag_1",
  CAST("x_count_1s" AS BIGINT) AS "x_count_1s",
  CAST(CASE WHEN isfinite("x_sum_1s") THEN "x_sum_1s" END + 0e0 AS DOUBLE) AS "x_sum_1s",
  CAST(CASE WHEN isfinite("x_mean_1s") THEN "x_mean_1s" END + 0e0 AS DOUBLE) AS "x_mean_1s",
  CAST(CASE WHEN isfinite("x_std_1s") THEN "x_std_1s" END + 0e0 AS DOUBLE) AS "x_std_1s",
  CAST(CASE WHEN isfinite("x_max_1s") THEN "x_max_1s" END + 0e0 AS DOUBLE) AS "x_max_1s",
  CAST("x_count_3_rows" AS BIGINT) AS "x_count_3_rows",
  CAST(CASE WHEN isfinite("x_sum_3_rows") THEN "x_sum_3_rows" END + 0e0 AS DOUBLE) AS "x_sum_3_rows",
  CAST(CASE WHEN isfinite("x_mean_3_rows") THEN "x_mean_3_rows" END + 0e0 AS DOUBLE) AS "x_mean_3_rows",
  CAST(CASE WHEN isfinite("x_std_3_rows") THEN "x_std_3_rows" END + 0e0 AS DOUBLE) AS "x_std_3_rows",
  CAST(CASE WHEN isfinite("x_max_3_rows") THEN "x_max_3_rows" END + 0e0 AS DOUBLE) AS "x_max_3_rows",
  CAST(CASE WHEN isfinite("x_zscore_3s") THEN "x_zscore_3s" END + 0e0 AS DOUBLE) AS "x_zscore_3s",
  CAST(CASE WHEN isfinite("since_last_seconds") THEN "since_last_seconds" END + 0e0 AS DOUBLE) AS "since_last_seconds",
  CAST("hour" AS BIGINT) AS "hour",
  CAST("day_of_week" AS BIGINT) AS "day_of_week",
  CAST("high" AS BOOLEAN) AS "high"
FROM valued;
