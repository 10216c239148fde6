-- The headline of a day's report, in its order, from the events themselves.
WITH groups AS (
    SELECT exchange, symbol, side, count(*) AS events, sum(value_usd) AS usd, max(value_usd) AS largest,
           count(*) FILTER (WHERE is_significant) AS significant, count(*) FILTER (WHERE is_cascade) AS in_cascades
    FROM liquidations WHERE time >= %(start)s AND time < %(end)s GROUP BY exchange, symbol, side
)
SELECT coalesce(sum(events), 0)::bigint, coalesce(sum(usd), 0),
       coalesce(sum(events) FILTER (WHERE side = 'LONG'), 0)::bigint,
       coalesce(sum(usd) FILTER (WHERE side = 'LONG'), 0),
       coalesce(sum(events) FILTER (WHERE side = 'SHORT'), 0)::bigint,
       coalesce(sum(usd) FILTER (WHERE side = 'SHORT'), 0),
       coalesce(max(largest), 0), coalesce(sum(significant), 0)::bigint,
       count(DISTINCT symbol), count(DISTINCT exchange),
       (SELECT count(*) FROM liquidation_cascades WHERE cascade_start >= %(start)s AND cascade_start < %(end)s),
       coalesce(sum(in_cascades), 0)::bigint
FROM groups
