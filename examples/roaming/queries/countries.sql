-- Where people call from while abroad, and how much of it was reported as fraud.
select c.country, count(*) as calls, count(distinct c.subscriber_id) as subscribers, round(avg(c.duration_s)) as mean_duration_s,
       count_if(l.is_fraud) as reported_fraud
from events.call c
left join events.fraud_label l on l.call_id = c.event_id
where c.country <> c.home_country
group by all
order by reported_fraud desc, calls desc;
