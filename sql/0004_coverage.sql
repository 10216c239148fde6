-- What we were able to see, and what we were not.

CREATE TABLE feed_gaps (
    exchange   text        NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    reason     text        NOT NULL,
    healed_at  timestamptz,
    PRIMARY KEY (exchange, started_at),
    CHECK (ended_at > started_at)
);

COMMENT ON TABLE feed_gaps IS 'Spans in which no connection covered a feed. Recorded, never interpolated.';
COMMENT ON COLUMN feed_gaps.healed_at IS 'When the venue''s own history was landed for the span; null while it is missing.';

CREATE TABLE feed_coverage (
    exchange            text    NOT NULL,
    day                 date    NOT NULL,
    covered_seconds     numeric NOT NULL,
    coverage            numeric NOT NULL CHECK (coverage BETWEEN 0 AND 1),
    gap_count           integer NOT NULL,
    longest_gap_seconds numeric NOT NULL,
    event_count         bigint  NOT NULL,
    saturation          numeric CHECK (saturation BETWEEN 0 AND 1),
    complete            boolean NOT NULL,
    PRIMARY KEY (exchange, day)
);

COMMENT ON TABLE feed_coverage IS 'Per feed and UTC day: how much of it we were able to see.';
COMMENT ON COLUMN feed_coverage.coverage IS 'covered_seconds over the seconds of the day, 0 to 1.';
COMMENT ON COLUMN feed_coverage.saturation IS 'Share of same-symbol gaps in [1 s, 2 s): how hard a one-a-second throttle was working; null without such gaps.';
COMMENT ON COLUMN feed_coverage.complete IS 'True for venues that publish every liquidation, false for throttled ones.';
