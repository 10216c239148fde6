-- Only of the symbols and hours named: elsewhere prices are so close together that none can be far from a median.
WITH suspects AS (
    SELECT * FROM unnest(%(symbols)s::text[], %(hours)s::timestamptz[]) AS named (symbol, hour)
), priced AS (
    SELECT time, exchange, contract, symbol, side, price, price::float8 AS near, hour,
        date_bin('1 minute', time, %(start)s) AS minute
    FROM liquidations_raw JOIN suspects USING (symbol)
    WHERE time >= %(start)s AND time < %(end)s AND time >= hour AND time < hour + interval '1 hour'
), minutes AS (
    SELECT symbol, minute, percentile_cont(0.5) WITHIN GROUP (ORDER BY near) AS median
    FROM priced GROUP BY symbol, minute HAVING count(*) >= 3
), hours AS (
    SELECT symbol, hour, percentile_cont(0.5) WITHIN GROUP (ORDER BY near) AS median
    FROM priced GROUP BY symbol, hour HAVING count(*) >= 3
), compared AS (
    SELECT priced.*, coalesce(minutes.median, hours.median) AS median
    FROM priced LEFT JOIN minutes USING (symbol, minute) LEFT JOIN hours USING (symbol, hour)
)
SELECT time, exchange, contract, side, price, round(median::numeric, 8) AS median, count(*) OVER () AS far
FROM compared
WHERE abs(near - median) > %(distance)s * median
ORDER BY abs(near / median - 1) DESC, time, contract LIMIT %(shown)s
