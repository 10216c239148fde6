-- USD per 4-hour period of the day (0 to 5) and venue.
SELECT (extract(hour FROM period) / 4)::int, exchange, sum(total_value_usd)::float8
FROM liquidation_exchange_comparison WHERE period >= %(start)s AND period < %(end)s GROUP BY 1, 2
