-- Gaps of the day; times in UTC milliseconds.
SELECT exchange, (extract(epoch FROM started_at) * 1000)::bigint, (extract(epoch FROM ended_at) * 1000)::bigint, reason,
       healed_at IS NOT NULL
FROM feed_gaps WHERE started_at >= %(start)s AND started_at < %(end)s
