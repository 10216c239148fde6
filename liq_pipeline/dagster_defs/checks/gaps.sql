-- Throttled spans are covered ones: they count for nothing here but their own sum.
WITH spans AS (
    SELECT exchange, reason, extract(epoch FROM ended_at - started_at) AS seconds, tstzrange(started_at, ended_at) AS span,
        started_at < %(start)s OR ended_at > %(end)s AS outside
    FROM feed_gaps WHERE started_at < %(end)s AND ended_at > %(start)s
), gaps AS (
    SELECT exchange, bool_or(outside) AS outside,
        count(*) FILTER (WHERE reason <> 'throttled') AS gaps,
        max(seconds) FILTER (WHERE reason <> 'throttled') AS longest,
        sum(seconds) FILTER (WHERE reason <> 'throttled') AS unseen,
        (SELECT sum(extract(epoch FROM upper(part) - lower(part)))
         FROM unnest(range_agg(span) FILTER (WHERE reason <> 'throttled')) AS part) AS apart,
        sum(seconds) FILTER (WHERE reason = 'down') AS down,
        sum(seconds) FILTER (WHERE reason = 'silent') AS silent,
        sum(seconds) FILTER (WHERE reason = 'overloaded') AS overloaded,
        sum(seconds) FILTER (WHERE reason = 'throttled') AS throttled
    FROM spans GROUP BY exchange
)
SELECT exchange, covered_seconds, elapsed_seconds, gap_count, gaps, longest, unseen, outside,
    covered_seconds IS NULL OR coalesce(outside, false) OR coalesce(unseen <> apart, false)
    OR covered_seconds + coalesce(unseen, 0) <> elapsed_seconds
    OR (gap_count, longest_gap_seconds, down_seconds, silent_seconds, overloaded_seconds, throttled_seconds)
        <> (coalesce(gaps, 0), coalesce(longest, 0), coalesce(down, 0), coalesce(silent, 0), coalesce(overloaded, 0),
            coalesce(throttled, 0)) AS wrong
FROM gaps FULL JOIN (SELECT * FROM feed_coverage WHERE day = %(day)s) AS coverage USING (exchange)
ORDER BY exchange
