-- Liquidations per minute of the day (0 to 1439) and side.
SELECT floor(extract(epoch FROM time - %(start)s) / 60)::int, side, count(*)
FROM liquidations WHERE time >= %(start)s AND time < %(end)s GROUP BY 1, 2
