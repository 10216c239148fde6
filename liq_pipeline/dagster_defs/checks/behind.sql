-- Days that have begun and whose tables lack something, each with since when; not those whose events retention took.
SELECT name, day, stale_since
FROM day_state CROSS JOIN unnest(ARRAY['liquidations', 'liquidations_significant', 'liquidation_cascades']) AS name
WHERE stale_since IS NOT NULL AND day <= %(today)s AND events_dropped_at IS NULL
UNION ALL
SELECT name, day_state.day, day_state.materialized_at
FROM day_state CROSS JOIN unnest(%(rollups)s::text[]) AS name
    LEFT JOIN rollup_state ON rollup_state.day = day_state.day AND rollup_state.table_name = name
WHERE day_state.materialization > 0 AND day_state.day <= %(today)s AND events_dropped_at IS NULL
    AND rollup_state.materialization IS DISTINCT FROM day_state.materialization
UNION ALL
SELECT name, day, stale_since
FROM coverage_state CROSS JOIN unnest(ARRAY['feed_gaps', 'feed_coverage']) AS name
WHERE stale_since IS NOT NULL AND day <= %(today)s
