-- Members of later days may not have landed when this day was computed, so a cascade that goes on past midnight is
-- compared by what it must at least leave to them. One that began the day before has its row there: it can only be a
-- symbol's first of this day, and only where the day itself saw something cross its midnight.
WITH members AS (
    SELECT cascade_id, count(*) AS events, sum(value_usd) AS usd,
           row_number() OVER (PARTITION BY symbol ORDER BY min(time)) = 1
           AND EXISTS (SELECT FROM day_state WHERE day = %(day)s AND border_left <> '') AS may_be_older
    FROM liquidations
    WHERE time >= %(start)s AND time < %(end)s AND is_cascade
    GROUP BY cascade_id, symbol
), cascades AS (
    SELECT cascade_id, event_count, total_value_usd, cascade_end >= %(end)s AS goes_on FROM liquidation_cascades
    WHERE cascade_start >= %(start)s AND cascade_start < %(end)s
)
SELECT
    count(cascades.cascade_id), coalesce(sum(events), 0),
    count(*) FILTER (WHERE CASE
        WHEN cascades.cascade_id IS NULL THEN NOT may_be_older
        WHEN members.cascade_id IS NULL THEN true
        WHEN goes_on THEN events >= event_count OR usd > total_value_usd
        ELSE (events, usd) <> (event_count, total_value_usd)
    END)
FROM members FULL JOIN cascades USING (cascade_id)
