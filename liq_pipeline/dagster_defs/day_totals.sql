SELECT count(*), coalesce(sum({events}), 0), coalesce(sum({usd}), 0), min({time}), max({time})
FROM {table}
WHERE {time} >= %(start)s AND {time} < %(end)s
