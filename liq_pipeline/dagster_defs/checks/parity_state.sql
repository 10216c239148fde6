SELECT watermark, landed, (SELECT drained_until FROM loader_state) AS drained_until,
    EXISTS (SELECT FROM live_blind_spans WHERE started_at <= %(start)s AND ended_at >= %(end)s) AS blind_all_day,
    (SELECT coalesce(range_agg(tstzrange(started_at, ended_at)), tstzmultirange()) FROM live_blind_spans
     WHERE started_at > 'epoch') AS blind,
    (SELECT max(reparsed_at) FROM day_state WHERE day BETWEEN %(day)s - 1 AND %(day)s + 1) AS reparsed_at
FROM live_state
