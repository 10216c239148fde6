INSERT INTO liquidation_price_levels (
    hour, symbol, price_level, side, exchange, liquidation_count, total_value_usd, total_quantity,
    avg_liquidation_size
)
SELECT date_bin('1 hour', time, '2000-01-01 00:00:00+00') AS hour, symbol, price_level, side, exchange, count(*), sum(value_usd),
       sum(quantity), avg(value_usd)
FROM liquidations
WHERE time >= %(start)s AND time < %(end)s
GROUP BY 1, symbol, price_level, side, exchange
