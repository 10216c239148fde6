-- Since when a day is stale, so that whoever asks whether tables are fresh needs no memory.

ALTER TABLE day_state ADD COLUMN stale_since timestamptz;
ALTER TABLE coverage_state ADD COLUMN stale_since timestamptz;

COMMENT ON COLUMN day_state.stale_since IS 'When the first rows landed that the day''s tables were not made of; null while there are none. Settings and neighbours that changed do not count.';
COMMENT ON COLUMN coverage_state.stale_since IS 'When the first of what the day''s rows were not made of became known; null while there is nothing.';

-- Triggers, because several write these versions, and each would have to think of it.
CREATE FUNCTION note_stale_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stale_since := CASE
        WHEN NEW.raw_version IS NOT DISTINCT FROM NEW.materialized_version THEN NULL
        WHEN TG_OP = 'INSERT' THEN now()
        -- Made anew, but of less than there is by now.
        WHEN NEW.materialized_version IS DISTINCT FROM OLD.materialized_version THEN now()
        ELSE coalesce(OLD.stale_since, now())
    END;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION note_stale_day IS 'Keeps day_state.stale_since.';

CREATE FUNCTION note_stale_coverage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stale_since := CASE
        WHEN NEW.version IS NOT DISTINCT FROM NEW.materialized_version THEN NULL
        WHEN TG_OP = 'INSERT' THEN now()
        WHEN NEW.materialized_version IS DISTINCT FROM OLD.materialized_version THEN now()
        ELSE coalesce(OLD.stale_since, now())
    END;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION note_stale_coverage IS 'Keeps coverage_state.stale_since.';

CREATE TRIGGER stale_since BEFORE INSERT OR UPDATE ON day_state FOR EACH ROW EXECUTE FUNCTION note_stale_day();
CREATE TRIGGER stale_since BEFORE INSERT OR UPDATE ON coverage_state FOR EACH ROW EXECUTE FUNCTION note_stale_coverage();

UPDATE day_state SET raw_version = raw_version;
UPDATE coverage_state SET version = version;
