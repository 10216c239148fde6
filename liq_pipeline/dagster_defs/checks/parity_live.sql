-- What stands, of whatever settings, and may meet a cascade of the day.
SELECT cascade_id::text, symbol, cascade_start, cascade_end, duration_seconds, event_count, total_value_usd,
    avg_risk_score, max_risk_score, exchanges_involved, exchange_count, long_count, short_count, hot_event_count,
    max_event_usd, price_start, price_end, definition, recorded_at
FROM live_cascades
WHERE replaced_by IS NULL
    AND cascade_start >= %(start)s - interval '7 days' AND cascade_start <= %(until)s AND cascade_end >= %(start)s
