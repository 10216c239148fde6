-- What each venue's events of the day mean: complete, or one per symbol and second, and which one.
SELECT exchange, string_agg(DISTINCT feed_semantics, ' + ' ORDER BY feed_semantics)
FROM liquidations WHERE time >= %(start)s AND time < %(end)s GROUP BY exchange
