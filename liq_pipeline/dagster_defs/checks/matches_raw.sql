-- One statement, so one snapshot: nothing can land between the two counts.
SELECT raw.rows, raw.usd, enriched.rows, enriched.usd,
    coalesce((SELECT raw_version FROM day_state WHERE day = %(day)s), 0),
    (SELECT materialized_version FROM day_state WHERE day = %(day)s)
FROM (SELECT count(*) AS rows, coalesce(sum(value_usd), 0) AS usd FROM liquidations_raw
      WHERE time >= %(start)s AND time < %(end)s) AS raw,
     (SELECT count(*) AS rows, coalesce(sum(value_usd), 0) AS usd FROM liquidations
      WHERE time >= %(start)s AND time < %(end)s) AS enriched
