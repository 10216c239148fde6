SELECT exchange, elapsed_seconds, uncollected_seconds, covered_seconds, healed_seconds, gap_count, longest_gap_seconds,
    down_seconds, silent_seconds, overloaded_seconds
FROM feed_coverage WHERE day = %(day)s ORDER BY exchange
