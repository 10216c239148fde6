SELECT cascade_id::text, symbol, (extract(epoch FROM cascade_start) * 1000)::bigint AS start_ms,
    (SELECT settings_hash FROM day_state WHERE day = %(day)s) AS settings_hash
FROM liquidation_cascades
WHERE cascade_start >= %(start)s AND cascade_start < %(end)s
ORDER BY cascade_start, cascade_id
