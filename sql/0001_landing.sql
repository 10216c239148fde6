-- What was landed: the truth every other table is computed from.

CREATE TABLE liquidations_raw (
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
    parser_version integer     NOT NULL,
    ordinal        smallint    NOT NULL,
    raw_data       jsonb       NOT NULL,
    PRIMARY KEY (time, event_id)
);

COMMENT ON TABLE liquidations_raw IS 'Every liquidation that was landed, once, with the venue''s own frame. Append only.';
COMMENT ON COLUMN liquidations_raw.time IS 'Event time at the venue, UTC, millisecond precision.';
COMMENT ON COLUMN liquidations_raw.event_id IS 'The same for the same liquidation however and how often it arrives: a 128-bit hash of the venue''s own id or identity fields.';
COMMENT ON COLUMN liquidations_raw.exchange IS 'Lower case: binance, bybit, okx.';
COMMENT ON COLUMN liquidations_raw.market IS 'linear (margined in a quote currency) or inverse (margined in the coin).';
COMMENT ON COLUMN liquidations_raw.contract IS 'The venue''s own name of the instrument.';
COMMENT ON COLUMN liquidations_raw.symbol IS 'Canonical: base and quote (BTCUSDT); inverse ends in USD (BTCUSD); dated futures keep their expiry (BTCUSDT-251226).';
COMMENT ON COLUMN liquidations_raw.side IS 'Side of the position that was liquidated, not of the order that closed it.';
COMMENT ON COLUMN liquidations_raw.price IS 'USD per coin; price_kind says which price of the venue it is.';
COMMENT ON COLUMN liquidations_raw.price_kind IS 'fill (average execution), bankruptcy, or order (the limit price).';
COMMENT ON COLUMN liquidations_raw.quantity IS 'Base coin. Inverse contracts: 12 decimal places, rounded half-even.';
COMMENT ON COLUMN liquidations_raw.value_usd IS 'USD, exact product of the venue''s numbers rounded half-even to 6 decimal places; USDT and USDC count as 1 USD.';
COMMENT ON COLUMN liquidations_raw.limit_price IS 'USD per coin, where the venue sends the order''s limit beside its fill.';
COMMENT ON COLUMN liquidations_raw.received_at IS 'When we received the frame, UTC, millisecond precision.';
COMMENT ON COLUMN liquidations_raw.source IS 'stream, replay, simulated or import:<format>.';
COMMENT ON COLUMN liquidations_raw.feed_semantics IS 'What the venue''s feed meant at that date, for example largest per symbol and second.';
COMMENT ON COLUMN liquidations_raw.parser_version IS 'Version of the parser that made the columns from raw_data.';
COMMENT ON COLUMN liquidations_raw.ordinal IS 'Counts identical rows of one frame from 0; part of event_id.';
COMMENT ON COLUMN liquidations_raw.raw_data IS 'The venue''s frame narrowed to this liquidation.';

CREATE TABLE day_state (
    day                  date   PRIMARY KEY,
    raw_version          bigint NOT NULL DEFAULT 0,
    materialized_version bigint,
    settings_hash        text,
    border_left          text,
    border_right         text,
    materialization      bigint NOT NULL DEFAULT 0,
    materialized_at      timestamptz
);

COMMENT ON TABLE day_state IS 'Per UTC day: what was landed and what was made of it. A day is stale when raw_version and materialized_version differ, when its settings_hash is not today''s, or when its border differs from its neighbour''s.';
COMMENT ON COLUMN day_state.raw_version IS 'Raised by every transaction that lands rows of the day.';
COMMENT ON COLUMN day_state.materialized_version IS 'raw_version the day''s tables were last computed from; null: never.';
COMMENT ON COLUMN day_state.settings_hash IS 'Identifies the cascade and significance settings the day was computed with.';
COMMENT ON COLUMN day_state.border_left IS 'Digest of what crosses the midnight at the day''s start, as the day saw it; equals border_right of the day before when both agree.';
COMMENT ON COLUMN day_state.border_right IS 'Digest of what crosses the midnight at the day''s end, as the day saw it.';
COMMENT ON COLUMN day_state.materialization IS 'Raised by every rewrite of the day''s tables; rollup_state refers to it.';

CREATE TABLE frames_rejected (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id   text UNIQUE,
    received_at timestamptz NOT NULL,
    exchange    text,
    reason      text NOT NULL,
    frame       text NOT NULL
);

COMMENT ON TABLE frames_rejected IS 'Frames and rows that could not be understood or stored, and why.';
COMMENT ON COLUMN frames_rejected.stream_id IS 'What identifies it at its source, so that it is recorded once: the Redis stream and entry it was drained from, or the format and digest of an imported row.';
COMMENT ON COLUMN frames_rejected.frame IS 'UTF-8 text as received; invalid bytes and NUL written as \xNN.';
