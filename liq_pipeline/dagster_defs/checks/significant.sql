SELECT expected.rows, expected.usd, found.rows, found.usd
FROM (SELECT count(*) AS rows, coalesce(sum(value_usd), 0) AS usd FROM liquidations
      WHERE time >= %(start)s AND time < %(end)s AND (is_significant OR is_cascade)) AS expected,
     (SELECT count(*) AS rows, coalesce(sum(value_usd), 0) AS usd FROM liquidations_significant
      WHERE time >= %(start)s AND time < %(end)s) AS found
