-- Days whose rows were read again stay comparable with themselves only: what a live view had recorded was of the old rows.

ALTER TABLE day_state ADD COLUMN reparsed_at timestamptz;

COMMENT ON COLUMN day_state.reparsed_at IS 'When liq reparse last changed rows of the day; null if it never did.';
