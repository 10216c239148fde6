-- Rows beyond the first of each identity.
SELECT coalesce(sum(rows), 0), coalesce(sum(rows - 1), 0)
FROM (
    SELECT count(*) AS rows FROM {table} WHERE time >= %(start)s AND time < %(end)s GROUP BY {identity}
) AS liquidations
