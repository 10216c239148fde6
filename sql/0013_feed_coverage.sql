-- What we were able to see of each feed, and why not the rest.
--
-- The collector says in Redis what it covered, and for some days only. It is kept here for ever (some rows a day), so
-- that feed_gaps and feed_coverage of any day can be made again: they are functions of feed_spans, feed_notes,
-- feed_heals and the day's events. "feed" is what LIQ_EXCHANGES names: binance, binance:inverse; feed_gaps and
-- feed_coverage call it exchange.

CREATE TABLE feed_spans (
    feed    text           NOT NULL,
    day     date           NOT NULL,
    parts   integer        NOT NULL,
    part    integer        NOT NULL,
    covered tstzmultirange NOT NULL,
    PRIMARY KEY (feed, day, parts, part),
    CHECK (part >= 0 AND part < parts)
);

COMMENT ON TABLE feed_spans IS 'Time that connections covered, as the collectors said it in liq:coverage:{feed}, added up by part and UTC day.';
COMMENT ON COLUMN feed_spans.feed IS 'As LIQ_EXCHANGES names it: binance, binance:inverse.';
COMMENT ON COLUMN feed_spans.day IS 'UTC day of the spans; one over midnight is in two rows.';
COMMENT ON COLUMN feed_spans.parts IS 'Over how many connections the symbols were divided. All parts of one division together cover the feed.';
COMMENT ON COLUMN feed_spans.part IS 'Which of them, from 0.';
COMMENT ON COLUMN feed_spans.covered IS 'When at least one connection of this part was proven to deliver; [start, end).';

CREATE TABLE feed_notes (
    feed   text           NOT NULL,
    day    date           NOT NULL,
    reason text           NOT NULL,
    noted  tstzmultirange NOT NULL,
    PRIMARY KEY (feed, day, reason)
);

COMMENT ON TABLE feed_notes IS 'Why a collector that was running covered nothing, as it said in liq:troubles:{feed}. One that was not running says nothing.';
COMMENT ON COLUMN feed_notes.feed IS 'As LIQ_EXCHANGES names it: binance, binance:inverse.';
COMMENT ON COLUMN feed_notes.day IS 'UTC day of the spans; one over midnight is in two rows.';
COMMENT ON COLUMN feed_notes.reason IS 'silent: connected and nothing came; overloaded: reading had stopped because Redis took nothing.';
COMMENT ON COLUMN feed_notes.noted IS 'When it was so for at least one connection; [start, end).';

CREATE TABLE feed_heals (
    feed       text        NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    healed_at  timestamptz NOT NULL,
    PRIMARY KEY (feed, started_at, ended_at),
    CHECK (ended_at > started_at)
);

COMMENT ON TABLE feed_heals IS 'Spans of which the venue''s own history was fetched and has landed, whole.';
COMMENT ON COLUMN feed_heals.feed IS 'As LIQ_EXCHANGES names it: okx, okx:inverse.';
COMMENT ON COLUMN feed_heals.started_at IS 'Start of the span, UTC.';
COMMENT ON COLUMN feed_heals.ended_at IS 'End of the span, excluded, UTC.';
COMMENT ON COLUMN feed_heals.healed_at IS 'When the history of the span had landed, for the first time.';

CREATE TABLE feed_positions (
    stream  text PRIMARY KEY,
    last_id text NOT NULL
);

COMMENT ON TABLE feed_positions IS 'How far the streams of claims in Redis were read into feed_spans and feed_notes.';
COMMENT ON COLUMN feed_positions.stream IS 'Key of the stream: liq:coverage:{feed} or liq:troubles:{feed}.';
COMMENT ON COLUMN feed_positions.last_id IS 'Id of the last entry read. Reading one again changes nothing.';

CREATE TABLE coverage_state (
    day                  date   PRIMARY KEY,
    version              bigint NOT NULL DEFAULT 0,
    materialized_version bigint,
    materialized_at      timestamptz
);

COMMENT ON TABLE coverage_state IS 'Per UTC day: whether feed_gaps and feed_coverage are made of all that is known. A day whose versions differ is stale.';
COMMENT ON COLUMN coverage_state.day IS 'UTC day.';
COMMENT ON COLUMN coverage_state.version IS 'Raised by whatever changes the day''s spans, notes or heals.';
COMMENT ON COLUMN coverage_state.materialized_version IS 'The version when the day''s rows were made; null before the first time.';
COMMENT ON COLUMN coverage_state.materialized_at IS 'When that was.';

-- Both tables were there and nothing wrote them; what somebody may have put into them stays.
CREATE TEMPORARY TABLE old_feed_gaps ON COMMIT DROP AS SELECT * FROM feed_gaps;
CREATE TEMPORARY TABLE old_feed_coverage ON COMMIT DROP AS SELECT * FROM feed_coverage;
DROP TABLE feed_gaps, feed_coverage;

CREATE TABLE feed_gaps (
    exchange   text        NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    reason     text        NOT NULL,
    healed_at  timestamptz,
    PRIMARY KEY (exchange, started_at, reason),
    CHECK (ended_at > started_at)
);

COMMENT ON TABLE feed_gaps IS 'Spans in which a feed was not seen, or not wholly: recorded, never interpolated. A gap over midnight is a row on each day.';
COMMENT ON COLUMN feed_gaps.exchange IS 'The feed: binance, binance:inverse, and so on.';
COMMENT ON COLUMN feed_gaps.started_at IS 'Last proof that the feed delivered, or midnight; UTC.';
COMMENT ON COLUMN feed_gaps.ended_at IS 'Next proof, or midnight; excluded. Of a gap that lasts, up to when it had been looked at.';
COMMENT ON COLUMN feed_gaps.reason IS 'down: nobody collected, or no connection stood. silent: connected and nothing came, or no liquidation of this venue while the others had many. overloaded: Redis took nothing and reading stopped. throttled: covered, but the venue published one event a second of a symbol that had more; does not reduce coverage.';
COMMENT ON COLUMN feed_gaps.healed_at IS 'When the venue''s own history had been landed for the whole span; null while any of it is missing.';

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
    elapsed_seconds     numeric NOT NULL DEFAULT 86400,
    healed_seconds      numeric NOT NULL DEFAULT 0,
    down_seconds        numeric NOT NULL DEFAULT 0,
    silent_seconds      numeric NOT NULL DEFAULT 0,
    overloaded_seconds  numeric NOT NULL DEFAULT 0,
    throttled_seconds   numeric NOT NULL DEFAULT 0,
    collected           boolean NOT NULL DEFAULT true,
    feed_semantics      text    NOT NULL DEFAULT '',
    PRIMARY KEY (exchange, day)
);

COMMENT ON TABLE feed_coverage IS 'Per feed and UTC day: how much of it we were able to see, and what its volumes mean. Seconds of the feed that were covered, healed, down, silent or overloaded never count twice, but for healed ones, which are some of the last three.';
COMMENT ON COLUMN feed_coverage.exchange IS 'The feed: binance, binance:inverse, and so on.';
COMMENT ON COLUMN feed_coverage.day IS 'UTC day.';
COMMENT ON COLUMN feed_coverage.covered_seconds IS 'Seconds in which connections were proven to deliver all symbols.';
COMMENT ON COLUMN feed_coverage.coverage IS 'covered_seconds over elapsed_seconds, 0 to 1; 1 while nothing of the day has elapsed.';
COMMENT ON COLUMN feed_coverage.gap_count IS 'Gaps that reduce coverage: down, silent and overloaded ones in feed_gaps.';
COMMENT ON COLUMN feed_coverage.longest_gap_seconds IS 'The longest of them; 0 without any.';
COMMENT ON COLUMN feed_coverage.event_count IS 'The feed''s rows in liquidations_raw, from whatever source.';
COMMENT ON COLUMN feed_coverage.saturation IS 'Share of same-symbol gaps in [1 s, 2 s): how hard a one-a-second throttle was working; null without such gaps.';
COMMENT ON COLUMN feed_coverage.complete IS 'True for venues that publish every liquidation, false for throttled ones.';
COMMENT ON COLUMN feed_coverage.elapsed_seconds IS 'Seconds of the day that had passed when the row was made, less the last minute, whose claims are on their way; 86400 for a past day.';
COMMENT ON COLUMN feed_coverage.healed_seconds IS 'Seconds not covered of which the venue''s own history has landed since.';
COMMENT ON COLUMN feed_coverage.down_seconds IS 'Seconds in gaps with reason down.';
COMMENT ON COLUMN feed_coverage.silent_seconds IS 'Seconds in gaps with reason silent.';
COMMENT ON COLUMN feed_coverage.overloaded_seconds IS 'Seconds in gaps with reason overloaded.';
COMMENT ON COLUMN feed_coverage.throttled_seconds IS 'Seconds in which a throttle worked without pause on some symbol; covered all the same.';
COMMENT ON COLUMN feed_coverage.collected IS 'False while the feed had never been collected, so that nothing could be seen: a day of imported events, or before the first start.';
COMMENT ON COLUMN feed_coverage.feed_semantics IS 'What the volumes of the day mean, as in the events: complete, throttled-1s-latest, throttled-1s-largest and so on; several with commas. Volumes of different meanings are not to be compared.';

INSERT INTO feed_gaps SELECT exchange, started_at, ended_at, reason, healed_at FROM old_feed_gaps;
INSERT INTO feed_coverage
SELECT exchange, day, covered_seconds, coverage, gap_count, longest_gap_seconds, event_count, saturation, complete
FROM old_feed_coverage;
