-- Sums of liquidations, replaced a UTC day at a time.

CREATE TABLE liquidations_hourly (
    hour             timestamptz NOT NULL,
    exchange         text        NOT NULL,
    symbol           text        NOT NULL,
    side             text        NOT NULL,
    event_count      bigint      NOT NULL,
    total_value_usd  numeric     NOT NULL,
    avg_value_usd    numeric     NOT NULL,
    max_value_usd    numeric     NOT NULL,
    min_value_usd    numeric     NOT NULL,
    stddev_value_usd numeric,
    total_quantity   numeric     NOT NULL,
    cascade_count    bigint      NOT NULL,
    avg_risk_score   numeric,
    PRIMARY KEY (hour, exchange, symbol, side)
);

COMMENT ON TABLE liquidations_hourly IS 'liquidations by hour, exchange, symbol and side.';
COMMENT ON COLUMN liquidations_hourly.total_value_usd IS 'USD, exact.';
COMMENT ON COLUMN liquidations_hourly.stddev_value_usd IS 'USD, sample standard deviation (n - 1); null for a single event.';
COMMENT ON COLUMN liquidations_hourly.total_quantity IS 'Base coin.';
COMMENT ON COLUMN liquidations_hourly.cascade_count IS 'Events that are members of a cascade.';
COMMENT ON COLUMN liquidations_hourly.avg_risk_score IS 'Mean over the events in cascades; null when there is none.';

CREATE TABLE liquidation_price_levels (
    hour                 timestamptz NOT NULL,
    symbol               text        NOT NULL,
    price_level          numeric     NOT NULL,
    side                 text        NOT NULL,
    exchange             text        NOT NULL,
    liquidation_count    bigint      NOT NULL,
    total_value_usd      numeric     NOT NULL,
    total_quantity       numeric     NOT NULL,
    avg_liquidation_size numeric     NOT NULL,
    PRIMARY KEY (hour, symbol, price_level, side, exchange)
);

COMMENT ON TABLE liquidation_price_levels IS 'liquidations by hour, symbol, price level, side and exchange.';
COMMENT ON COLUMN liquidation_price_levels.price_level IS 'USD per coin, lower bound of the level.';
COMMENT ON COLUMN liquidation_price_levels.total_value_usd IS 'USD, exact.';
COMMENT ON COLUMN liquidation_price_levels.total_quantity IS 'Base coin.';
COMMENT ON COLUMN liquidation_price_levels.avg_liquidation_size IS 'USD per event.';

CREATE TABLE liquidation_exchange_comparison (
    period            timestamptz NOT NULL,
    symbol            text        NOT NULL,
    exchange          text        NOT NULL,
    event_count       bigint      NOT NULL,
    total_value_usd   numeric     NOT NULL,
    avg_value_usd     numeric     NOT NULL,
    cascade_count     bigint      NOT NULL,
    long_count        bigint      NOT NULL,
    short_count       bigint      NOT NULL,
    significant_count bigint      NOT NULL,
    PRIMARY KEY (period, symbol, exchange)
);

COMMENT ON TABLE liquidation_exchange_comparison IS 'liquidations by 4-hour period, symbol and exchange. Throttled and complete venues are not comparable in volume: see feed_semantics.';
COMMENT ON COLUMN liquidation_exchange_comparison.period IS 'Start of the 4-hour period, aligned to UTC midnight.';
COMMENT ON COLUMN liquidation_exchange_comparison.total_value_usd IS 'USD, exact.';
COMMENT ON COLUMN liquidation_exchange_comparison.cascade_count IS 'Events that are members of a cascade.';
COMMENT ON COLUMN liquidation_exchange_comparison.significant_count IS 'Events worth at least LIQ_SIGNIFICANT_USD.';

CREATE TABLE rollup_state (
    table_name      text        NOT NULL,
    day             date        NOT NULL,
    materialization bigint      NOT NULL,
    materialized_at timestamptz NOT NULL,
    PRIMARY KEY (table_name, day)
);

COMMENT ON TABLE rollup_state IS 'Which materialization of a day (day_state) each rollup was last computed from.';
