-- A row of a frame that is rejected today and understood one day must come back as the row it was.

ALTER TABLE frames_rejected ADD COLUMN ordinal smallint NOT NULL DEFAULT 0;

COMMENT ON COLUMN frames_rejected.ordinal IS 'Counts identical rows of one frame from 0, as in liquidations_raw.';
