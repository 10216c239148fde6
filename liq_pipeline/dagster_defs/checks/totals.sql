WITH hours AS (
    SELECT hour, exchange, side, sum(event_count) AS events, sum(total_value_usd) AS usd, max(max_value_usd) AS max,
           sum(cascade_count) AS cascades
    FROM liquidations_hourly WHERE hour >= %(start)s AND hour < %(end)s GROUP BY hour, exchange, side
), mattering AS (
    SELECT count(*) AS events, coalesce(sum(value_usd), 0) AS usd FROM liquidations_significant
    WHERE time >= %(start)s AND time < %(end)s
), totals AS (
    SELECT * FROM liquidation_totals WHERE hour >= %(start)s AND hour < %(end)s
)
SELECT
    count(*),
    count(*) FILTER (WHERE (events, usd, max, cascades)
        IS DISTINCT FROM (event_count::numeric, total_value_usd, max_value_usd, cascade_count::numeric)),
    (SELECT events FROM mattering) - coalesce(sum(significant_count), 0),
    (SELECT usd FROM mattering) - coalesce(sum(significant_value_usd), 0),
    (SELECT materialization FROM day_state WHERE day = %(day)s),
    (SELECT materialization FROM rollup_state WHERE day = %(day)s AND table_name = 'liquidations_hourly')
FROM hours FULL JOIN totals USING (hour, exchange, side)
