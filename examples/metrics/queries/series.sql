-- Series by series: readings, time span, scores and alerts.
select r.series, count(*) as readings, min(r.at) as first, max(r.at) as last, count(s.event_id) as scores,
       count_if(s.alert) as alerts
from events.reading r
left join scores.metric_anomaly s on s.event_id = r.event_id and s.variant = 'champion'
group by r.series
order by alerts desc, r.series;
