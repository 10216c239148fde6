-- Compared group by group: two errors that cancel in the total still show.
WITH events AS (
    SELECT exchange, symbol, count(*) AS events, sum(value_usd) AS usd FROM liquidations
    WHERE time >= %(start)s AND time < %(end)s GROUP BY exchange, symbol
), sums AS (
    SELECT exchange, symbol, sum({events}) AS events, sum({usd}) AS usd FROM {table}
    WHERE {time} >= %(start)s AND {time} < %(end)s GROUP BY exchange, symbol
)
SELECT
    coalesce(sum(events.events), 0), coalesce(sum(events.usd), 0),
    coalesce(sum(sums.events), 0), coalesce(sum(sums.usd), 0),
    count(*) FILTER (WHERE events.events IS DISTINCT FROM sums.events OR events.usd IS DISTINCT FROM sums.usd),
    (SELECT materialization FROM day_state WHERE day = %(day)s),
    (SELECT materialization FROM rollup_state WHERE day = %(day)s AND table_name = %(name)s)
FROM events FULL JOIN sums USING (exchange, symbol)
