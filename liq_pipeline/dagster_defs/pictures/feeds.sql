-- Feeds of the day, and how much of what has passed of it was covered.
SELECT exchange, coverage::float8, elapsed_seconds::float8, collected
FROM feed_coverage WHERE day = %(start)s::date ORDER BY exchange
