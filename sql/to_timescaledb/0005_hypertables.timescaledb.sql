-- What 0005 makes of empty tables, made of full ones: their rows move into chunks.

SELECT create_hypertable('liquidations_raw', by_range('time', INTERVAL '1 day'), create_default_indexes => false,
                         migrate_data => true);
SELECT create_hypertable('liquidations', by_range('time', INTERVAL '1 day'), create_default_indexes => false,
                         migrate_data => true);

-- What retention dropped is known by its missing chunk. A day whose rows all went elsewhere gets an empty one.
INSERT INTO liquidations_raw
SELECT day::timestamp AT TIME ZONE 'UTC', gen_random_uuid(), '', 'linear', '', '', 'LONG', 0, 'fill', 0, 0, NULL, now(),
       '', '', 0, 0, '{}'
FROM day_state
WHERE raw_version > 0 AND events_dropped_at IS NULL
    AND NOT EXISTS (
        SELECT FROM liquidations_raw
        WHERE time >= day::timestamp AT TIME ZONE 'UTC' AND time < (day + 1)::timestamp AT TIME ZONE 'UTC'
    );
DELETE FROM liquidations_raw WHERE exchange = '';
