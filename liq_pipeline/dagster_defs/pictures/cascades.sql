-- Cascades that began on the day; times in UTC milliseconds.
SELECT symbol, (extract(epoch FROM cascade_start) * 1000)::bigint, (extract(epoch FROM cascade_end) * 1000)::bigint,
       total_value_usd::float8, max_risk_score::float8
FROM liquidation_cascades WHERE cascade_start >= %(start)s AND cascade_start < %(end)s
