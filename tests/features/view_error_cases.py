"""Wrong declarations: a good one, and what to replace in it by what, with what is then said."""

GOOD = """\
name: subscriber
source: call
key: subscriber_id
derive:
  abroad: country <> home_country
features:
  - lag: {of: duration_s, steps: [1, 2]}
  - window: {of: duration_s, over: [5m], take: [count, mean]}
  - calendar: {take: [hour], zone: UTC}
  - expression: {name: burst, sql: duration_s_count_5m / 2}
ttl: 24h
"""
CASES: dict[str, tuple[str, str, str]] = {
    "an unknown field": (
        "lag: {of: duration_s,",
        "lag: {of: duration,",
        "features/subscriber.yaml line 7: 'lag' reads the field 'duration', which event 'call' version 1 "
        "does not have\n"
        "  fields:   subscriber_id, started_at, duration_s, home_country, country\n"
        "  derived:  abroad\n"
        "  try:      of: duration_s",
    ),
    "a window of a string": (
        "window: {of: duration_s, over: [5m], take: [count, mean]}",
        "window: {of: country, over: [5m], take: [mean]}",
        "features/subscriber.yaml line 8: mean of a window reads 'country', which is a string\n"
        "  types:   int, long, double, bool\n"
        "  fields:  duration_s, abroad\n"
        "  try:     of: duration_s",
    ),
    "a missing ttl": (
        "ttl: 24h\n",
        "",
        "features/subscriber.yaml line 1: a view has no 'ttl'\n"
        "  fields:  name, source, key, order, lateness, derive, features, ttl, dedup, retain, encoding, description, "
        "owner, tags\n"
        "  given:   name, source, key, derive, features\n"
        "  try:     ttl: …",
    ),
    "an order without its lateness": (
        "ttl: 24h\n",
        "ttl: 24h\norder: event_time\n",
        "features/subscriber.yaml line 12: 'order' is event_time, but 'lateness' is missing\n"
        "  expected:  how long an event may come after later ones\n"
        "  try:       lateness: 5s",
    ),
    "a lateness without its order": (
        "ttl: 24h\n",
        "ttl: 24h\nlateness: 5s\n",
        "features/subscriber.yaml line 12: 'lateness' goes with the order event_time\n"
        "  order:  arrival: an event is counted when it comes, nothing waits\n"
        "  try:    order: event_time",
    ),
    "a name declared twice": (
        "steps: [1, 2]",
        "steps: [1, 1]",
        "features/subscriber.yaml line 7: the column 'duration_s_lag_1' is declared twice\n"
        "  columns:  duration_s_lag_1\n"
        "  try:      another name, or remove one of the two",
    ),
    "an expression named like a column of every row": (
        "name: burst",
        "name: generation",
        "features/subscriber.yaml line 10: the column 'generation' is a column of every row\n"
        "  columns:  duration_s_lag_1, duration_s_lag_2, duration_s_count_5m, duration_s_mean_5m, hour\n"
        "  try:      another name, or remove one of the two",
    ),
    "a negative window": (
        "over: [5m]",
        "over: [-5m]",
        "features/subscriber.yaml line 8: '-5m' is not the extent of a window\n"
        "  expected:  a length of time above zero in ms, s, m, h or d, or a number of rows up to 999999\n"
        "  try:       over: [5m, 24h, 50 rows]",
    ),
    "a window of length zero": (
        "over: [5m]",
        "over: [0s]",
        "features/subscriber.yaml line 8: '0s' is not the extent of a window\n"
        "  expected:  a length of time above zero in ms, s, m, h or d, or a number of rows up to 999999\n"
        "  try:       over: [5m, 24h, 50 rows]",
    ),
    "panes for what needs every event": (
        "take: [count, mean]}",
        "take: [count, p95], resolution: 1m}",
        "features/subscriber.yaml line 8: 'resolution' does not go with 'p95', which needs every event of its window\n"
        "  takes:  count, sum, mean, std, min, max, range\n"
        "  try:    declare p95 in a window without resolution",
    ),
    "panes longer than their window": (
        "take: [count, mean]}",
        "take: [count, mean], resolution: 5m}",
        "features/subscriber.yaml line 8: 'resolution' is not shorter than the window of 5m\n"
        "  expected:  a length of time above zero and below that of the window, which is one of time\n"
        "  try:       resolution: 1h with over: 30d",
    ),
    "an unsupported function": (
        "sql: duration_s_count_5m / 2",
        "sql: sqr(duration_s_count_5m)",
        "features/subscriber.yaml line 10: expression 'burst' uses SQR(duration_s_count_5m), which is "
        "outside the subset of expressions (sqr)\n"
        "  subset:  + - * /, comparisons, AND OR NOT, IS [NOT] NULL, BETWEEN, IN (…), CASE WHEN, literals, "
        "and the functions abs, ceil, coalesce, exp, floor, greatest, least, ln, nullif, sqrt\n"
        "  try:     sqrt",
    ),
    "a cast": (
        "sql: duration_s_count_5m / 2",
        "sql: cast(duration_s_count_5m as double) / 2",
        "features/subscriber.yaml line 10: expression 'burst' uses CAST(duration_s_count_5m AS DOUBLE), which is "
        "outside the subset of expressions (cast)\n"
        "  subset:  + - * /, comparisons, AND OR NOT, IS [NOT] NULL, BETWEEN, IN (…), CASE WHEN, literals, "
        "and the functions abs, ceil, coalesce, exp, floor, greatest, least, ln, nullif, sqrt\n"
        "  try:     duration_s_count_5m",
    ),
    "an expression over an unknown name": (
        "sql: duration_s_count_5m / 2",
        "sql: duration_s_count_1h / 2",
        "features/subscriber.yaml line 10: expression 'burst' reads 'duration_s_count_1h', which does not "
        "exist here\n"
        "  exist:  subscriber_id, duration_s, home_country, country, abroad, duration_s_lag_1, "
        "duration_s_lag_2, duration_s_count_5m, duration_s_mean_5m, hour\n"
        "  try:    duration_s_count_5m",
    ),
    "a text where a number is expected": (
        "sql: duration_s_count_5m / 2",
        "sql: country / 2",
        "features/subscriber.yaml line 10: expression 'burst': country is a string, where a double is expected\n"
        "  types:  double, string, bool\n"
        "  try:    an expression of type double",
    ),
    "an unknown source": (
        "source: call",
        "source: cal",
        "features/subscriber.yaml line 2: 'source' names the event 'cal', which the project does not declare\n"
        "  events:  call\n"
        "  try:     source: call",
    ),
    "a key that the event does not have": (
        "key: subscriber_id",
        "key: contry",
        "features/subscriber.yaml line 3: 'key' names the field 'contry', which the event 'call' does not have\n"
        "  fields:    subscriber_id, home_country, country\n"
        "  expected:  a required field of type string, int, long\n"
        "  try:       key: country",
    ),
    "a key that cannot be one": (
        "key: subscriber_id",
        "key: duration_s",
        "features/subscriber.yaml line 3: 'key' names the field 'duration_s' of type double\n"
        "  fields:    subscriber_id, home_country, country\n"
        "  expected:  a required field of type string, int, long\n"
        "  try:       key: subscriber_id",
    ),
    "a time zone that does not exist": (
        "zone: UTC",
        "zone: Europe/Berlni",
        "features/subscriber.yaml line 9: 'Europe/Berlni' is not a time zone\n"
        "  expected:  a name of the IANA database\n"
        "  try:       Europe/Berlin",
    ),
    "an unknown kind of feature": (
        "- calendar:",
        "- calender:",
        "features/subscriber.yaml line 9: 'calender' is not a known field of a feature\n"
        "  fields:  lag, window, ratio, zscore, fences, outlier, rarity, baseline, since_last, calendar, distance, "
        "travel, expression\n"
        "  try:     calendar",
    ),
    "a derived value with the name of a field": (
        "abroad: country",
        "country: country",
        "features/subscriber.yaml line 5: derive 'country' has the name of a field of the event\n"
        "  fields:  subscriber_id, started_at, duration_s, home_country, country\n"
        "  try:     country_derived",
    ),
    "a retain shorter than a window": (
        "ttl: 24h",
        "ttl: 24h\nretain: 1m",
        "features/subscriber.yaml line 12: 'retain' is shorter than the longest window\n"
        "  longest window:  300000 ms\n"
        "  try:             remove retain",
    ),
    "a ttl of nothing": (
        "ttl: 24h",
        "ttl: 0h",
        "features/subscriber.yaml line 11: 'ttl' is zero: no value would ever be served\n"
        "  expected:  a duration above zero\n"
        "  try:       ttl: 24h",
    ),
    "a ttl that is no duration": (
        "ttl: 24h",
        "ttl: 24 hours",
        "features/subscriber.yaml line 11: '24 hours' is not a duration\n"
        "  units:  ms, s, m, h, d\n"
        "  try:    a whole number and a unit, such as 5m",
    ),
    "an unknown statistic": (
        "take: [count, mean]",
        "take: [count, avg]",
        "features/subscriber.yaml line 8: a window does not take 'avg'\n"
        "  statistics:  count, sum, mean, std, min, max, range, first, last, distinct, median, skew, slope, ewma\n"
        "  quantiles:   p1 to p99.9999, such as p50, p95, p99.9\n"
        "  try:         mean",
    ),
    "an impossible quantile": (
        "take: [count, mean]",
        "take: [count, {quantile: 1.5}]",
        "features/subscriber.yaml line 8: 1.5 is not a quantile\n"
        "  expected:  a number between 0 and 1, such as 0.95\n"
        "  try:       quantile: [0.5, 0.95]",
    ),
    "a decay without a half-life": (
        "take: [count, mean]",
        "take: [count, mean, ewma]",
        "features/subscriber.yaml line 8: 'ewma' and 'half_life' go together\n"
        "  take:  count, mean, ewma\n"
        "  try:   half_life: 10m",
    ),
    "a half-life that is too short": (
        "take: [count, mean]",
        "take: [count, mean, ewma], half_life: 1ms",
        "features/subscriber.yaml line 8: 'ewma' over 5m does not fit its half-life\n"
        "  expected:  a window of time that is at most 256 half-lives long\n"
        "  try:       over: 1h with half_life: 10m",
    ),
    "a lag that looks nowhere": (
        "- lag: {of: duration_s, steps: [1, 2]}",
        "- lag: {of: duration_s}",
        "features/subscriber.yaml line 7: a lag has neither 'steps' nor 'ago'\n  of:   duration_s\n  try:  steps: [1]",
    ),
    "a lag of rows ago": (
        "- lag: {of: duration_s, steps: [1, 2]}",
        "- lag: {of: duration_s, steps: [1, 2], ago: 5 rows}",
        "features/subscriber.yaml line 7: 'ago' is a length of time, not a number of rows\n"
        "  try:  steps: [1], or ago: 24h",
    ),
    "a filter that is no condition": (
        "take: [count, mean]",
        "take: [count, mean], where: duration_s + 1",
        "features/subscriber.yaml line 8: 'where' is a double, where a condition is expected\n"
        "  where:  duration_s + 1\n"
        "  try:    where: amount > 100",
    ),
    "a filter without a name": (
        "take: [count, mean]",
        "take: [count, mean], where: duration_s > 10",
        "features/subscriber.yaml line 8: 'where' is more than a name, so the columns need one\n"
        "  where:  duration_s > 10\n"
        "  try:    suffix: large",
    ),
    "a filter on what does not exist": (
        "take: [count, mean]",
        "take: [count, mean], where: cuontry = 'NO', suffix: no",
        "features/subscriber.yaml line 8: 'where' reads 'cuontry', which does not exist here\n"
        "  exist:  subscriber_id, duration_s, home_country, country, abroad\n"
        "  try:    country",
    ),
    "a suffix for two filters": (
        "- lag: {of: duration_s, steps: [1, 2]}",
        "- lag: {of: duration_s, steps: [1, 2], where: duration_s > 1, suffix: a}\n"
        "  - since_last: {where: duration_s > 2, suffix: a}",
        "features/subscriber.yaml line 8: the suffix 'a' stands for two conditions\n"
        "  first:   duration_s > 1\n"
        "  second:  duration_s > 2\n"
        "  try:     another suffix",
    ),
    "an outlier without a window": (
        "- calendar: {take: [hour], zone: UTC}",
        "- calendar: {take: [hour], zone: UTC}\n  - outlier: {of: duration_s, policy: flag}",
        "features/subscriber.yaml line 10: an outlier has no window to judge by\n  policy:  flag\n  try:     over: 24h",
    ),
    "a place that is a text": (
        "- calendar: {take: [hour], zone: UTC}",
        "- calendar: {take: [hour], zone: UTC}\n  - travel: {place: [country, duration_s]}",
        "features/subscriber.yaml line 10: a place reads 'country', which is a string\n"
        "  types:   double\n"
        "  fields:  duration_s\n"
        "  try:     place: [lat, lon]",
    ),
    "a place of one value": (
        "- calendar: {take: [hour], zone: UTC}",
        "- calendar: {take: [hour], zone: UTC}\n  - travel: {place: [duration_s]}",
        "features/subscriber.yaml line 10: ['duration_s'] is not a place\n"
        "  expected:  names of a latitude and a longitude, in degrees\n"
        "  try:       [lat, lon]",
    ),
    "an unknown time zone of a baseline": (
        "- calendar: {take: [hour], zone: UTC}",
        "- calendar: {take: [hour], zone: UTC}\n  - baseline: {of: duration_s, over: 28d, zone: Europe/Olso}",
        "features/subscriber.yaml line 10: 'Europe/Olso' is not a time zone\n"
        "  expected:  a name of the IANA database\n"
        "  try:       Europe/Oslo",
    ),
    "a ratio of ewma": (
        "- calendar: {take: [hour], zone: UTC}",
        "- calendar: {take: [hour], zone: UTC}\n  - ratio: {of: duration_s, take: ewma, over: 1h, per: 24h}",
        "features/subscriber.yaml line 10: a ratio does not take 'ewma'\n  try:  take: mean",
    ),
    "the difference of a text": (
        "- lag: {of: duration_s, steps: [1, 2]}",
        "- lag: {of: country, steps: 1, take: difference}",
        "features/subscriber.yaml line 7: the difference or ratio of a lag reads 'country', which is a string\n"
        "  types:   int, long, double, bool\n"
        "  fields:  duration_s, abroad\n"
        "  try:     of: duration_s",
    ),
    "a cyclic derive": (
        "abroad: country <> home_country",
        "abroad: NOT foreign\n  foreign: NOT abroad",
        "features/subscriber.yaml line 5: derive 'abroad' reads '\"foreign\"', which does not exist here\n"
        "  exist:  subscriber_id, duration_s, home_country, country\n"
        "  later:  abroad, foreign",
    ),
    "a suffix without a filter": (
        "take: [count, mean]",
        "take: [count, mean], suffix: large",
        "features/subscriber.yaml line 8: 'suffix' names a filter, and there is none\n"
        "  suffix:  large\n"
        "  try:     where: <condition>, or remove suffix",
    ),
    "a long window over a short one": (
        "- calendar: {take: [hour], zone: UTC}",
        "- calendar: {take: [hour], zone: UTC}\n  - ratio: {of: duration_s, take: mean, over: 24h, per: 1h}",
        "features/subscriber.yaml line 10: a ratio has 24h over 1h\n"
        "  expected:  a shorter window over a longer one\n"
        "  try:       over: 1h, per: 24h",
    ),
    "a lag of no time": (
        "- lag: {of: duration_s, steps: [1, 2]}",
        "- lag: {of: duration_s, ago: 0h}",
        "features/subscriber.yaml line 7: 'ago' is a length of time above zero\n  try:  ago: [1h, 24h]",
    ),
    "a column that another feature needs": (
        "- calendar: {take: [hour], zone: UTC}",
        "- zscore: {of: duration_s, over: 5m}\n"
        "  - distance: {name: duration_s_mean_5m_before, from: [duration_s, duration_s], to: [duration_s, duration_s]}",
        "features/subscriber.yaml line 10: the column 'duration_s_mean_5m_before' is one that another feature needs\n"
        "  columns:  duration_s_lag_1, duration_s_lag_2, duration_s_count_5m, duration_s_mean_5m, "
        "duration_s_zscore_5m\n"
        "  try:      another name, or remove one of the two",
    ),
    "a time zone of old": (
        "zone: UTC",
        "zone: EST",
        "features/subscriber.yaml line 9: 'EST' is not a time zone\n"
        "  expected:  a name of the IANA database\n"
        "  try:       UTC",
    ),
}
