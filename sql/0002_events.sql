-- What a day's landed events become: the enriched events, the significant ones, and the cascades.

CREATE TABLE liquidations (
    time           timestamptz NOT NULL,
    event_id       uuid        NOT NULL,
    exchange       text        NOT NULL,
    market         text        NOT NULL CHECK (market IN ('linear', 'inverse')),
    contract       text        NOT NULL,
    symbol         text        NOT NULL,
    side           text        NOT NULL CHECK (side IN ('LONG', 'SHORT')),
    price          numeric     NOT NULL,
    price_kind     text        NOT NULL CHECK (price_kind IN ('fill', 'bankruptcy', 'order')),
    quantity       numeric     NOT NULL,
    value_usd      numeric     NOT NULL,
    limit_price    numeric,
    received_at    timestamptz NOT NULL,
    source         text        NOT NULL,
    feed_semantics text        NOT NULL,
    is_cascade     boolean     NOT NULL,
    cascade_id     uuid,
    risk_score     numeric,
    is_significant boolean     NOT NULL,
    price_level    numeric     NOT NULL,
    PRIMARY KEY (time, event_id),
    CHECK (is_cascade = (cascade_id IS NOT NULL))
);

COMMENT ON TABLE liquidations IS 'One row per liquidation, enriched. Replaced a UTC day at a time; a function of liquidations_raw and the settings.';
COMMENT ON COLUMN liquidations.time IS 'Event time at the venue, UTC, millisecond precision.';
COMMENT ON COLUMN liquidations.side IS 'Side of the position that was liquidated.';
COMMENT ON COLUMN liquidations.price IS 'USD per coin.';
COMMENT ON COLUMN liquidations.quantity IS 'Base coin.';
COMMENT ON COLUMN liquidations.value_usd IS 'USD, 6 decimal places.';
COMMENT ON COLUMN liquidations.is_cascade IS 'The event is a member of a cascade.';
COMMENT ON COLUMN liquidations.cascade_id IS 'The cascade it is a member of, possibly one that began the day before.';
COMMENT ON COLUMN liquidations.risk_score IS '0 to 1: the score of the first hot event at or after this one in its cascade; null outside cascades.';
COMMENT ON COLUMN liquidations.is_significant IS 'value_usd reached LIQ_SIGNIFICANT_USD when the day was materialized.';
COMMENT ON COLUMN liquidations.price_level IS 'USD per coin: price rounded down to the level width. 100 for BTC and ETH, otherwise the largest of 1, 2, 5 x 10^k within 0.1 % of the price.';

CREATE TABLE liquidations_significant (
    time                timestamptz NOT NULL,
    event_id            uuid        NOT NULL,
    exchange            text        NOT NULL,
    symbol              text        NOT NULL,
    side                text        NOT NULL CHECK (side IN ('LONG', 'SHORT')),
    price               numeric     NOT NULL,
    quantity            numeric     NOT NULL,
    value_usd           numeric     NOT NULL,
    is_cascade          boolean     NOT NULL,
    cascade_id          uuid,
    cascade_event_count integer,
    risk_score          numeric,
    session_type        text        NOT NULL CHECK (session_type IN ('asian', 'european', 'us', 'weekend')),
    PRIMARY KEY (time, event_id)
);

COMMENT ON TABLE liquidations_significant IS 'The liquidations worth at least LIQ_SIGNIFICANT_USD, and all members of cascades.';
COMMENT ON COLUMN liquidations_significant.value_usd IS 'USD, 6 decimal places.';
COMMENT ON COLUMN liquidations_significant.cascade_event_count IS 'Members of its cascade on all days; null outside cascades.';
COMMENT ON COLUMN liquidations_significant.session_type IS 'UTC: weekend on Saturday and Sunday, otherwise asian 00-08, european 08-16, us 16-24.';

CREATE TABLE liquidation_cascades (
    cascade_id         uuid        NOT NULL,
    symbol             text        NOT NULL,
    hour               timestamptz NOT NULL,
    cascade_start      timestamptz NOT NULL,
    cascade_end        timestamptz NOT NULL,
    duration_seconds   numeric     NOT NULL,
    event_count        integer     NOT NULL,
    total_value_usd    numeric     NOT NULL,
    avg_risk_score     numeric     NOT NULL,
    max_risk_score     numeric     NOT NULL,
    exchanges_involved text[]      NOT NULL,
    exchange_count     integer     NOT NULL,
    long_count         integer     NOT NULL,
    short_count        integer     NOT NULL,
    hot_event_count    integer     NOT NULL,
    max_event_usd      numeric     NOT NULL,
    price_start        numeric     NOT NULL,
    price_end          numeric     NOT NULL,
    PRIMARY KEY (cascade_start, cascade_id)
);

COMMENT ON TABLE liquidation_cascades IS 'One row per cascade, on the UTC day of its cascade_start; counts and totals cover all members, those of later days too.';
COMMENT ON COLUMN liquidation_cascades.cascade_id IS 'UUIDv5 of symbol|start_ms|window_ms|min_events|min_usd.';
COMMENT ON COLUMN liquidation_cascades.hour IS 'Hour of cascade_start.';
COMMENT ON COLUMN liquidation_cascades.cascade_end IS 'Time of the last hot event.';
COMMENT ON COLUMN liquidation_cascades.duration_seconds IS 'cascade_end minus cascade_start, seconds, exact to the millisecond.';
COMMENT ON COLUMN liquidation_cascades.total_value_usd IS 'USD over all members.';
COMMENT ON COLUMN liquidation_cascades.avg_risk_score IS 'Mean of the hot events'' rounded scores, 0 to 1.';
COMMENT ON COLUMN liquidation_cascades.exchanges_involved IS 'Sorted.';
COMMENT ON COLUMN liquidation_cascades.hot_event_count IS 'Members whose own window reached the thresholds.';
COMMENT ON COLUMN liquidation_cascades.price_start IS 'USD per coin of the first member by time, event_id.';
COMMENT ON COLUMN liquidation_cascades.price_end IS 'USD per coin of the last member by time, event_id.';
