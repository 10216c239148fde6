-- Only where TimescaleDB is: the event tables become hypertables. Chunks are UTC days, because a day is what gets
-- replaced and dropped. The primary key serves every query by time, so the default index on time would be a second one.

SELECT create_hypertable('liquidations_raw', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('liquidations', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
