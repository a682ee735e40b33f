-- The strongest alerts, with the reading and why.
select r.series, r.at, r.value, round(s.score, 3) as score, s.reasons
from scores.metric_anomaly s
join events.reading r using (event_id)
where s.alert and s.variant = 'champion'
order by s.score desc, r.at
limit 50;
