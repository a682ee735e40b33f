-- The newest alerts of the champion, with the call and the strongest reasons.
select s.event_time, s.key as subscriber_id, round(s.score, 3) as score, c.home_country, c.country, c.callee_country,
       c.duration_s, s.reasons
from scores.roaming_fraud s
join events.call c using (event_id)
where s.alert and s.variant = 'champion'
order by s.event_time desc
limit 50;
