INSERT INTO liquidations_hourly (
    hour, exchange, symbol, side, event_count, total_value_usd, avg_value_usd, max_value_usd, min_value_usd,
    stddev_value_usd, total_quantity, cascade_count, avg_risk_score
)
SELECT date_bin('1 hour', time, '2000-01-01 00:00:00+00') AS hour, exchange, symbol, side, count(*), sum(value_usd), avg(value_usd),
       max(value_usd), min(value_usd), stddev_samp(value_usd), sum(quantity), count(*) FILTER (WHERE is_cascade),
       avg(risk_score)
FROM liquidations
WHERE time >= %(start)s AND time < %(end)s
GROUP BY 1, exchange, symbol, side
