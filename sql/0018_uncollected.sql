-- The day a feed is collected for the first time is not to blame for the hours before.

ALTER TABLE feed_coverage ADD COLUMN uncollected_seconds numeric NOT NULL DEFAULT 0;

COMMENT ON COLUMN feed_coverage.uncollected_seconds IS 'Seconds before the feed was collected for the first time ever: in a gap like others, and nobody''s failure.';
