-- Cascades that reach into the day; one of more than a week is not looked for before the day it began on.
SELECT cascade_id::text, symbol, cascade_start, cascade_end, duration_seconds, event_count, total_value_usd,
    avg_risk_score, max_risk_score, exchanges_involved, exchange_count, long_count, short_count, hot_event_count,
    max_event_usd, price_start, price_end
FROM liquidation_cascades
WHERE cascade_start >= %(start)s - interval '7 days' AND cascade_start < %(end)s AND cascade_end >= %(start)s
