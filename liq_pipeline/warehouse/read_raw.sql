COPY (
    SELECT time, event_id, exchange, market, contract, symbol, side, price, price_kind, quantity,
           value_usd, limit_price, received_at, source, feed_semantics
    FROM liquidations_raw
    WHERE time >= to_timestamp(%s::bigint / 1000.0) AND time < to_timestamp(%s::bigint / 1000.0)
) TO STDOUT (FORMAT CSV)
