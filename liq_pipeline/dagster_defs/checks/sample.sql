-- The same rows whenever the day is looked at, as far as no others landed.
SELECT event_id::text, exchange, market, contract, source, ordinal,
    (extract(epoch FROM received_at) * 1000)::bigint AS received_ms, raw_data::text AS raw
FROM liquidations_raw
WHERE time >= %(start)s AND time < %(end)s AND event_id <= %(highest)s::uuid
ORDER BY event_id, time LIMIT %(sample)s
