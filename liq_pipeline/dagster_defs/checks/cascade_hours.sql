SELECT count(*), count(*) FILTER (WHERE hour <> date_bin('1 hour', cascade_start, %(start)s)),
    count(*) FILTER (WHERE duration_seconds <> extract(epoch FROM cascade_end - cascade_start))
FROM liquidation_cascades
WHERE cascade_start >= %(start)s AND cascade_start < %(end)s
