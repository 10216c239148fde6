-- Spans of one symbol melt into one where they meet, so that counting them finds it; looking an event up in them costs
-- a binary search. Cascades that began on earlier days reach in only where the day itself saw one cross its midnight;
-- one of more than a week is not looked for, and its members pass.
WITH cascades AS (
    SELECT cascade_id, symbol, tstzrange(cascade_start, cascade_end, '[]') AS span FROM liquidation_cascades
    WHERE cascade_start < %(end)s AND cascade_end >= %(start)s AND cascade_start >= CASE
        WHEN EXISTS (SELECT FROM day_state WHERE day = %(day)s AND border_left <> '') THEN %(start)s - interval '7 days'
        ELSE %(start)s END
), spans AS (
    SELECT symbol, count(*) AS cascades, range_agg(span) AS spans FROM cascades GROUP BY symbol
), events AS (
    SELECT symbol,
        count(*) FILTER (WHERE events.cascade_id IS NULL AND time <@ spans.spans) AS strangers,
        count(*) FILTER (WHERE cascades.cascade_id IS NOT NULL AND NOT (time <@ cascades.span)) AS astray
    FROM liquidations AS events JOIN spans USING (symbol) LEFT JOIN cascades USING (cascade_id, symbol)
    WHERE time >= %(start)s AND time < %(end)s
    GROUP BY symbol
)
SELECT symbol, cascades, cascades - (SELECT count(*) FROM unnest(spans.spans)) AS meeting,
    coalesce(strangers, 0) AS strangers, coalesce(astray, 0) AS astray
FROM spans LEFT JOIN events USING (symbol)
