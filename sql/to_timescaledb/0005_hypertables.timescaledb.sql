-- What 0005 makes of empty tables, made of full ones: their rows move into chunks.

SELECT create_hypertable('liquidations_raw', by_range('time', INTERVAL '1 day'), create_default_indexes => false,
                         migrate_data => true);
SELECT create_hypertable('liquidations', by_range('time', INTERVAL '1 day'), create_default_indexes => false,
                         migrate_data => true);
