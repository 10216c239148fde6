-- What retention has taken. Events and rollups are dropped by age; what was dropped is remembered, because a day that
-- lost its events must not be made again from nothing, however the settings change later.
-- day_state, rollup_state, feed_gaps, feed_coverage and unmatched_days are kept for ever: some rows a day.

ALTER TABLE day_state ADD COLUMN events_dropped_at timestamptz;

COMMENT ON COLUMN day_state.events_dropped_at IS 'When the day was found without the events that had landed: retention dropped them, and what was made of them is all there is. Null while they are here.';

-- Of a day on which events landed. Plain tables have no chunks to miss: what drops their rows sets events_dropped_at.
CREATE FUNCTION events_are_missing(day date) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';

COMMENT ON FUNCTION events_are_missing IS 'Whether liquidations_raw has no chunk of the UTC day, which is how TimescaleDB''s policy leaves it.';
