-- Every column of identity is in the key, so two rows that share it are one liquidation landed under two ids.
SELECT
    (SELECT count(*) FROM {table} WHERE time >= %(start)s AND time < %(end)s),
    (SELECT coalesce(sum(rows - 1), 0) FROM (
        SELECT count(*) AS rows FROM {table} WHERE time >= %(start)s AND time < %(end)s
        GROUP BY {identity} HAVING count(*) > 1
    ) AS repeated)
  + (SELECT coalesce(sum(rows - 1), 0) FROM (
        SELECT count(*) AS rows FROM {table} WHERE time >= %(start)s AND time < %(end)s
        GROUP BY event_id HAVING count(*) > 1
    ) AS repeated)
