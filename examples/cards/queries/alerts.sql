-- The newest alerts with the transaction, the reasons, and what it turned out to be.
select t.ts, t.card, t.merchant, t.category, t.amt, round(s.score, 3) as score, s.reasons, l.is_fraud
from scores.card_fraud s
join events.transaction t using (event_id)
left join events.chargeback l on l.transaction_id = s.event_id
where s.alert and s.variant = 'champion'
order by t.ts desc
limit 50;
