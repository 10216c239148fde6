-- Bucket by bucket: an hour's events that were counted in the hour before add up all the same.
WITH events AS (
    SELECT date_bin(%(width)s, time, %(start)s) AS bucket, count(*) AS events FROM liquidations
    WHERE time >= %(start)s AND time < %(end)s GROUP BY bucket
), sums AS (
    SELECT {time} AS bucket, sum({events}) AS events FROM {table}
    WHERE {time} >= %(start)s AND {time} < %(end)s GROUP BY {time}
)
SELECT
    count(sums.bucket),
    count(*) FILTER (WHERE sums.bucket <> date_bin(%(width)s, sums.bucket, %(start)s)),
    count(*) FILTER (WHERE events.events IS DISTINCT FROM sums.events),
    (SELECT materialization FROM day_state WHERE day = %(day)s),
    (SELECT materialization FROM rollup_state WHERE day = %(day)s AND table_name = %(name)s)
FROM events FULL JOIN sums USING (bucket)
