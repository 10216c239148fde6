SELECT (period AT TIME ZONE 'UTC')::date AS day, exchange, sum(event_count) AS events
FROM liquidation_exchange_comparison
WHERE period >= %(since)s AND period < %(start)s
GROUP BY day, exchange
