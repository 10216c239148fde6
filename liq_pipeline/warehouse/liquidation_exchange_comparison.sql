INSERT INTO liquidation_exchange_comparison (
    period, symbol, exchange, event_count, total_value_usd, avg_value_usd, cascade_count, long_count, short_count,
    significant_count
)
SELECT date_bin('4 hours', time, '2000-01-01 00:00:00+00') AS period, symbol, exchange, count(*), sum(value_usd),
       avg(value_usd), count(*) FILTER (WHERE is_cascade), count(*) FILTER (WHERE side = 'LONG'),
       count(*) FILTER (WHERE side = 'SHORT'), count(*) FILTER (WHERE is_significant)
FROM liquidations
WHERE time >= %(start)s AND time < %(end)s
GROUP BY 1, symbol, exchange
