-- How far a live view came is told by what had landed, before there is a first event as well.

ALTER TABLE live_state DROP COLUMN first_watermark, ALTER COLUMN watermark DROP NOT NULL,
    ADD COLUMN landed timestamptz NOT NULL;

COMMENT ON COLUMN live_state.watermark IS 'Event time up to which cascades are final; never goes back; null before the first event.';
COMMENT ON COLUMN live_state.landed IS 'Everything that had landed in Redis before this was seen, and what it made is recorded; never goes back.';
COMMENT ON COLUMN live_blind_spans.started_at IS 'Landing time from which on events were not seen; 1970 at the first start ever.';
COMMENT ON COLUMN live_cascades.replaced_by IS 'The cascade that stands instead, possibly under the same id; null while the row stands. One that a late event made active again stands until what it became is final.';
