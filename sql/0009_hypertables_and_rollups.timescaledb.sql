-- Only where TimescaleDB is, on tables that may be full already: the other event tables become hypertables, and the
-- rollups continuous aggregates of the same names, columns and rows. Compression and retention are policies, and those
-- follow the settings: see warehouse/policies.py.

SELECT create_hypertable('liquidations_significant', by_range('time', INTERVAL '1 day'),
                         create_default_indexes => false, migrate_data => true);
SELECT create_hypertable('liquidation_cascades', by_range('cascade_start', INTERVAL '1 day'),
                         create_default_indexes => false, migrate_data => true);

-- Compressed in the order of the key and not by segments: benchmarks/storage.py compares nine ways. All come within 6 %
-- of each other in size (raw 6 times smaller, liquidations 4 to 5 times), but segments by symbol make late rows, which
-- are looked up by their key, up to eight times slower, and on a quiet day most of 500 symbols would not fill a batch.
ALTER TABLE liquidations_raw SET (timescaledb.enable_columnstore, timescaledb.segmentby = '',
                                  timescaledb.orderby = 'time, event_id');
ALTER TABLE liquidations SET (timescaledb.enable_columnstore, timescaledb.segmentby = '',
                              timescaledb.orderby = 'time, event_id');
ALTER TABLE liquidations_significant SET (timescaledb.enable_columnstore, timescaledb.segmentby = '',
                                          timescaledb.orderby = 'time, event_id');
ALTER TABLE liquidation_cascades SET (timescaledb.enable_columnstore, timescaledb.segmentby = '',
                                      timescaledb.orderby = 'cascade_start, cascade_id');

CREATE OR REPLACE FUNCTION events_are_missing(day date) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT FROM show_chunks('liquidations_raw',
        older_than => (day + 1)::timestamp AT TIME ZONE 'UTC', newer_than => day::timestamp AT TIME ZONE 'UTC'))
$$;

ALTER TABLE liquidations_hourly RENAME TO old_liquidations_hourly;
ALTER TABLE liquidation_price_levels RENAME TO old_liquidation_price_levels;
ALTER TABLE liquidation_exchange_comparison RENAME TO old_liquidation_exchange_comparison;

-- A day a chunk, as the events have it, because days are what retention drops. materialized_only: a day shows what it
-- was last refreshed to, never a mixture. No index by group: the one on time serves every query in this repository.
CREATE MATERIALIZED VIEW liquidations_hourly
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false,
      timescaledb.chunk_interval = '1 day') AS
SELECT time_bucket(INTERVAL '1 hour', time) AS hour, exchange, symbol, side,
       count(*) AS event_count, sum(value_usd) AS total_value_usd, avg(value_usd) AS avg_value_usd,
       max(value_usd) AS max_value_usd, min(value_usd) AS min_value_usd, stddev_samp(value_usd) AS stddev_value_usd,
       sum(quantity) AS total_quantity, count(*) FILTER (WHERE is_cascade) AS cascade_count,
       avg(risk_score) AS avg_risk_score
FROM liquidations
GROUP BY 1, exchange, symbol, side
WITH NO DATA;

CREATE MATERIALIZED VIEW liquidation_price_levels
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false,
      timescaledb.chunk_interval = '1 day') AS
SELECT time_bucket(INTERVAL '1 hour', time) AS hour, symbol, price_level, side, exchange,
       count(*) AS liquidation_count, sum(value_usd) AS total_value_usd, sum(quantity) AS total_quantity,
       avg(value_usd) AS avg_liquidation_size
FROM liquidations
GROUP BY 1, symbol, price_level, side, exchange
WITH NO DATA;

CREATE MATERIALIZED VIEW liquidation_exchange_comparison
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false,
      timescaledb.chunk_interval = '1 day') AS
SELECT time_bucket(INTERVAL '4 hours', time) AS period, symbol, exchange,
       count(*) AS event_count, sum(value_usd) AS total_value_usd, avg(value_usd) AS avg_value_usd,
       count(*) FILTER (WHERE is_cascade) AS cascade_count, count(*) FILTER (WHERE side = 'LONG') AS long_count,
       count(*) FILTER (WHERE side = 'SHORT') AS short_count,
       count(*) FILTER (WHERE is_significant) AS significant_count
FROM liquidations
GROUP BY 1, symbol, exchange
WITH NO DATA;

-- The rows there are go in as they are, not by a refresh: that would remove those of days whose events were dropped.
-- A day's next refresh replaces them. The descriptions move along.
DO $$
DECLARE
    rollup record;
    described record;
BEGIN
    FOR rollup IN
        SELECT view_name AS name, format('old_%s', view_name) AS old,
               format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS materialized
        FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema()
    LOOP
        EXECUTE format('INSERT INTO %s SELECT * FROM %I', rollup.materialized, rollup.old);
        FOR described IN
            SELECT attname, description
            FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND objsubid > 0
            WHERE objoid = rollup.old::regclass AND classoid = 'pg_class'::regclass
        LOOP
            IF described.attname IS NULL THEN
                EXECUTE format('COMMENT ON VIEW %I IS %L', rollup.name, described.description);
            ELSE
                EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', rollup.name, described.attname, described.description);
            END IF;
        END LOOP;
        EXECUTE format('DROP TABLE %I', rollup.old);
    END LOOP;
END
$$;
