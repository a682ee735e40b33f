-- Area under the precision-recall curve (average precision) over the last 20 % of the transactions by time:
-- the sum over the scores, from the highest down, of precision × the recall gained; equal scores are one step.
with judged as (
    select s.score, l.is_fraud, s.event_time, s.event_id
    from scores.card_fraud s
    join events.chargeback l on l.transaction_id = s.event_id
    where s.variant = 'champion'
),
newest as (
    select score, is_fraud
    from judged
    qualify row_number() over (order by event_time, event_id) > floor(0.8 * count(*) over ())
),
steps as (
    select score, count(*) as transactions, count_if(is_fraud) as frauds
    from newest
    group by score
),
ranked as (
    select frauds,
           sum(transactions) over above as alerted,
           sum(frauds) over above as found,
           sum(frauds) over () as all_frauds
    from steps
    window above as (order by score desc rows unbounded preceding)
)
select sum(found / alerted * frauds / all_frauds) as pr_auc, any_value(all_frauds) as frauds, max(alerted) as transactions
from ranked;
