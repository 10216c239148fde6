-- What the checks of liquidations_raw need to know of all rows. USD of a linear contract are price times quantity,
-- rounded to 6 places; of an inverse one its quantity is USD over price, rounded to 12. "paired" have a fill and a
-- limit, "beyond" are those whose limit is on the losing side of the fill; delays are of what came over the wire.
SELECT
    exchange, market, symbol, date_bin('1 hour', time, %(start)s) AS hour,
    count(*) AS events,
    min(price) AS lowest, max(price) AS highest,
    count(*) FILTER (WHERE abs(price * quantity - value_usd) > 0.0000005
                     + CASE market WHEN 'inverse' THEN price * 0.0000000000005 ELSE 0 END) AS wrong_values,
    count(limit_price) FILTER (WHERE price_kind = 'fill') AS paired,
    count(*) FILTER (WHERE price_kind = 'fill' AND CASE side WHEN 'LONG' THEN limit_price < price
                                                             ELSE limit_price > price END) AS beyond,
    count(*) FILTER (WHERE source = 'stream') AS streamed,
    count(*) FILTER (WHERE source = 'stream' AND received_at < time - make_interval(secs => %(ahead)s)) AS ahead,
    count(*) FILTER (WHERE source = 'stream' AND received_at > time + make_interval(secs => %(late)s)) AS late,
    min(received_at - time) FILTER (WHERE source = 'stream') AS least_delay,
    sum(received_at - time) FILTER (WHERE source = 'stream') AS delays
FROM liquidations_raw
WHERE time >= %(start)s AND time < %(end)s
GROUP BY exchange, market, symbol, hour
