-- Events and USD per hour of the day (0 to 23) and venue.
SELECT extract(hour FROM hour)::int, exchange, sum(event_count)::bigint, sum(total_value_usd)::float8
FROM liquidations_hourly WHERE hour >= %(start)s AND hour < %(end)s GROUP BY 1, 2
