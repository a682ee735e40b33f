-- Day by day: how many alerts were right, how much fraud was found. A call without a verdict counts as genuine after a day.
with outcomes as (
    select s.event_time, s.version, s.alert, coalesce(l.is_fraud, false) as is_fraud
    from scores.roaming_fraud s
    left join events.fraud_label l on l.call_id = s.event_id
    where s.variant = 'champion'
      and (l.call_id is not null or s.event_time <= (select max(started_at) - interval 24 hour from events.call))
)
select event_time::date as day, version, count(*) as calls, count_if(is_fraud) as fraud, count_if(alert) as alerts,
       round(count_if(alert and is_fraud) / nullif(count_if(alert), 0), 3) as precision,
       round(count_if(alert and is_fraud) / nullif(count_if(is_fraud), 0), 3) as recall
from outcomes
group by all
order by day, version;
