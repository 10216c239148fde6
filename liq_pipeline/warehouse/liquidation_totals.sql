INSERT INTO liquidation_totals (
    hour, exchange, side, event_count, total_value_usd, max_value_usd, cascade_count, significant_count,
    significant_value_usd, significant_max_usd, total_risk_score
)
SELECT hour, exchange, side, summed.events, summed.usd, summed.max, summed.cascades, coalesce(mattering.events, 0),
       coalesce(mattering.usd, 0), mattering.max, coalesce(mattering.risk, 0)
FROM (
    SELECT hour, exchange, side, sum(event_count) AS events, sum(total_value_usd) AS usd, max(max_value_usd) AS max,
           sum(cascade_count) AS cascades
    FROM liquidations_hourly WHERE hour >= %(start)s AND hour < %(end)s
    GROUP BY hour, exchange, side
) AS summed LEFT JOIN (
    SELECT date_bin('1 hour', time, '2000-01-01 00:00:00+00') AS hour, exchange, side, count(*) AS events,
           sum(value_usd) AS usd, max(value_usd) AS max, sum(risk_score) AS risk
    FROM liquidations_significant WHERE time >= %(start)s AND time < %(end)s
    GROUP BY 1, exchange, side
) AS mattering USING (hour, exchange, side)
