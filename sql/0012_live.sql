-- What the live view showed and how far it came, so that it can be compared with what the day's tables say later; and
-- how far the loader came, which says what the day's tables can know of.

CREATE TABLE live_cascades (
    cascade_id         uuid        NOT NULL,
    event_count        integer     NOT NULL,
    symbol             text        NOT NULL,
    cascade_start      timestamptz NOT NULL,
    cascade_end        timestamptz NOT NULL,
    duration_seconds   numeric     NOT NULL,
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
    definition         text        NOT NULL,
    supersedes         uuid[]      NOT NULL,
    finalized_at       timestamptz NOT NULL,
    late_event_id      uuid,
    recorded_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    replaced_by        uuid,
    corrected_at       timestamptz,
    PRIMARY KEY (cascade_id, event_count),
    CHECK ((replaced_by IS NULL) = (corrected_at IS NULL))
);

CREATE INDEX live_cascades_by_symbol ON live_cascades (symbol, cascade_start) WHERE replaced_by IS NULL;

COMMENT ON TABLE live_cascades IS 'Cascades as the live view showed them when they were final. A later event that changes one adds a row, and the row before it says by what it was replaced; those without replaced_by stand.';
COMMENT ON COLUMN live_cascades.cascade_id IS 'As in liquidation_cascades: UUIDv5 of symbol|start_ms|window_ms|min_events|min_usd.';
COMMENT ON COLUMN live_cascades.event_count IS 'Members. Events are only ever added, so of two rows that overlap in time the one with more is the later.';
COMMENT ON COLUMN live_cascades.symbol IS 'Canonical: base and quote (BTCUSDT); inverse ends in USD (BTCUSD); dated futures keep their expiry (BTCUSDT-251226).';
COMMENT ON COLUMN live_cascades.cascade_start IS 'Time of the first member.';
COMMENT ON COLUMN live_cascades.cascade_end IS 'Time of the last hot event.';
COMMENT ON COLUMN live_cascades.duration_seconds IS 'cascade_end minus cascade_start, seconds, exact to the millisecond.';
COMMENT ON COLUMN live_cascades.total_value_usd IS 'USD over all members.';
COMMENT ON COLUMN live_cascades.avg_risk_score IS 'Mean of the hot events'' rounded scores, 0 to 1.';
COMMENT ON COLUMN live_cascades.max_risk_score IS 'Largest of the hot events'' rounded scores, 0 to 1.';
COMMENT ON COLUMN live_cascades.exchanges_involved IS 'Sorted.';
COMMENT ON COLUMN live_cascades.exchange_count IS 'How many exchanges are involved.';
COMMENT ON COLUMN live_cascades.long_count IS 'Members that were long positions.';
COMMENT ON COLUMN live_cascades.short_count IS 'Members that were short positions.';
COMMENT ON COLUMN live_cascades.hot_event_count IS 'Members whose own window reached the thresholds.';
COMMENT ON COLUMN live_cascades.max_event_usd IS 'USD of the largest member.';
COMMENT ON COLUMN live_cascades.price_start IS 'USD per coin of the first member by time, event_id.';
COMMENT ON COLUMN live_cascades.price_end IS 'USD per coin of the last member by time, event_id.';
COMMENT ON COLUMN live_cascades.definition IS 'The settings it was found with: window_ms|min_events|min_usd.';
COMMENT ON COLUMN live_cascades.supersedes IS 'Earlier ids it had or absorbed while it was active.';
COMMENT ON COLUMN live_cascades.finalized_at IS 'When it became final, or changed after that.';
COMMENT ON COLUMN live_cascades.late_event_id IS 'The event that arrived after it was final and changed it; null for one that was final as it is.';
COMMENT ON COLUMN live_cascades.recorded_at IS 'When the row was written.';
COMMENT ON COLUMN live_cascades.replaced_by IS 'The cascade that stands instead, possibly under the same id; null while the row stands.';
COMMENT ON COLUMN live_cascades.corrected_at IS 'When it was replaced; null while the row stands.';

CREATE TABLE live_late_events (
    event_id    uuid        PRIMARY KEY,
    symbol      text        NOT NULL,
    time        timestamptz NOT NULL,
    arrived_at  timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX live_late_events_by_symbol ON live_late_events (symbol, time);

COMMENT ON TABLE live_late_events IS 'Events that arrived when the live view had forgotten their time: the day''s tables count them, the live view could not.';
COMMENT ON COLUMN live_late_events.event_id IS 'As in liquidations_raw.';
COMMENT ON COLUMN live_late_events.symbol IS 'Canonical.';
COMMENT ON COLUMN live_late_events.time IS 'Event time at the venue, UTC, millisecond precision.';
COMMENT ON COLUMN live_late_events.arrived_at IS 'When it was landed in Redis.';
COMMENT ON COLUMN live_late_events.recorded_at IS 'When the row was written.';

CREATE TABLE live_blind_spans (
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    reason      text        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (started_at, ended_at, reason),
    CHECK (ended_at >= started_at)
);

COMMENT ON TABLE live_blind_spans IS 'Spans whose landed events no live view has seen, for example because none ran for longer than the streams hold.';
COMMENT ON COLUMN live_blind_spans.started_at IS 'Landing time from which on events were not seen.';
COMMENT ON COLUMN live_blind_spans.ended_at IS 'Landing time from which on they were seen again.';
COMMENT ON COLUMN live_blind_spans.reason IS 'Why, in words.';
COMMENT ON COLUMN live_blind_spans.recorded_at IS 'When the row was written.';

CREATE TABLE live_state (
    only_row        boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    first_watermark timestamptz NOT NULL,
    watermark       timestamptz NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE live_state IS 'One row: how far the live view came. Every cascade that ended a window before the watermark is recorded.';
COMMENT ON COLUMN live_state.only_row IS 'There is one row.';
COMMENT ON COLUMN live_state.first_watermark IS 'Where recording began: of cascades before it nothing need be recorded.';
COMMENT ON COLUMN live_state.watermark IS 'Event time up to which cascades are final; never goes back.';
COMMENT ON COLUMN live_state.recorded_at IS 'When the row was last written.';

CREATE TABLE cascade_alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    symbol          text        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('usd', 'risk')),
    level           numeric     NOT NULL,
    cascade_id      uuid        NOT NULL,
    cascade_start   timestamptz NOT NULL,
    cascade_end     timestamptz NOT NULL,
    event_count     integer     NOT NULL,
    total_value_usd numeric     NOT NULL,
    risk            numeric     NOT NULL,
    exchanges       text[]      NOT NULL,
    CHECK (cascade_end >= cascade_start)
);

CREATE INDEX cascade_alerts_by_symbol ON cascade_alerts (symbol, kind, level, cascade_start);

COMMENT ON TABLE cascade_alerts IS 'Cascades that reached a level of LIQ_ALERT_CASCADE_USD or LIQ_ALERT_CASCADE_RISK: once per cascade, kind and level, where what overlaps in time is one cascade.';
COMMENT ON COLUMN cascade_alerts.id IS 'Counts up.';
COMMENT ON COLUMN cascade_alerts.at IS 'When the row was written.';
COMMENT ON COLUMN cascade_alerts.symbol IS 'Canonical.';
COMMENT ON COLUMN cascade_alerts.kind IS 'What reached its level: usd (total_value_usd) or risk.';
COMMENT ON COLUMN cascade_alerts.level IS 'The level that was reached: USD, or a risk score.';
COMMENT ON COLUMN cascade_alerts.cascade_id IS 'The cascade''s id at that moment; it changes if an earlier member turns up.';
COMMENT ON COLUMN cascade_alerts.cascade_start IS 'Time of its first member as known at that moment.';
COMMENT ON COLUMN cascade_alerts.cascade_end IS 'Time of its last hot event at that moment.';
COMMENT ON COLUMN cascade_alerts.event_count IS 'Members at that moment.';
COMMENT ON COLUMN cascade_alerts.total_value_usd IS 'USD over all members at that moment.';
COMMENT ON COLUMN cascade_alerts.risk IS 'Largest risk score of its hot events at that moment, 0 to 1.';
COMMENT ON COLUMN cascade_alerts.exchanges IS 'Exchanges involved at that moment, sorted.';

CREATE TABLE loader_state (
    only_row      boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    drained_until timestamptz NOT NULL
);

COMMENT ON TABLE loader_state IS 'One row: everything that had landed in Redis before drained_until is in liquidations_raw or frames_rejected.';
COMMENT ON COLUMN loader_state.only_row IS 'There is one row.';
COMMENT ON COLUMN loader_state.drained_until IS 'By the clock of Redis; never goes back.';
