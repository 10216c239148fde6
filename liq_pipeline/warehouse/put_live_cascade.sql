-- A final cascade, once. One that knows less than another that is there already never stands.
INSERT INTO live_cascades AS known (
    cascade_id, event_count, symbol, cascade_start, cascade_end, duration_seconds, total_value_usd, avg_risk_score,
    max_risk_score, exchanges_involved, exchange_count, long_count, short_count, hot_event_count, max_event_usd,
    price_start, price_end, definition, supersedes, finalized_at, late_event_id, replaced_by, corrected_at)
SELECT %(cascade_id)s, %(event_count)s, %(symbol)s, %(start)s, %(end)s, %(seconds)s, %(total_value)s, %(avg_risk)s,
       %(max_risk)s, %(exchanges)s, cardinality(%(exchanges)s::text[]), %(long_count)s, %(short_count)s,
       %(hot_event_count)s, %(max_event)s, %(price_start)s, %(price_end)s, %(definition)s, %(supersedes)s::uuid[],
       %(at)s, %(late)s::uuid, better.cascade_id, CASE WHEN better.cascade_id IS NOT NULL THEN %(at)s END
FROM (VALUES (1)) AS one
    LEFT JOIN LATERAL (
        SELECT cascade_id FROM live_cascades
        WHERE symbol = %(symbol)s AND definition = %(definition)s AND event_count > %(event_count)s
            AND cascade_start <= %(end)s AND cascade_end >= %(start)s
        ORDER BY event_count DESC LIMIT 1
    ) AS better ON true
-- The same count with other events is what two views can briefly have seen of several late ones: the last word counts.
ON CONFLICT (cascade_id, event_count) DO UPDATE SET
    cascade_end = excluded.cascade_end, duration_seconds = excluded.duration_seconds,
    total_value_usd = excluded.total_value_usd, avg_risk_score = excluded.avg_risk_score,
    max_risk_score = excluded.max_risk_score, exchanges_involved = excluded.exchanges_involved,
    exchange_count = excluded.exchange_count, long_count = excluded.long_count, short_count = excluded.short_count,
    hot_event_count = excluded.hot_event_count, max_event_usd = excluded.max_event_usd,
    price_start = excluded.price_start, price_end = excluded.price_end, finalized_at = excluded.finalized_at,
    late_event_id = excluded.late_event_id, recorded_at = clock_timestamp()
WHERE (known.cascade_end, known.total_value_usd, known.avg_risk_score, known.max_risk_score, known.exchanges_involved,
       known.long_count, known.hot_event_count, known.max_event_usd, known.price_start, known.price_end)
    IS DISTINCT FROM (excluded.cascade_end, excluded.total_value_usd, excluded.avg_risk_score,
                      excluded.max_risk_score, excluded.exchanges_involved, excluded.long_count,
                      excluded.hot_event_count, excluded.max_event_usd, excluded.price_start, excluded.price_end)
