-- Every column says what it is, in psql as in the UI. One of the same name as in the events is the same thing.

DO $$
DECLARE
    described record;
BEGIN
    FOR described IN
        SELECT target.attrelid::regclass AS relation, target.attname AS name,
               coalesce(col_description('liquidations'::regclass, event.attnum),
                        col_description('liquidations_raw'::regclass, landed.attnum)) AS description
        FROM pg_attribute AS target
            LEFT JOIN pg_attribute AS event
                ON event.attrelid = 'liquidations'::regclass AND event.attname = target.attname
            LEFT JOIN pg_attribute AS landed
                ON landed.attrelid = 'liquidations_raw'::regclass AND landed.attname = target.attname
        WHERE target.attnum > 0 AND col_description(target.attrelid, target.attnum) IS NULL
            AND target.attrelid IN (
                'liquidations'::regclass, 'liquidations_significant'::regclass, 'liquidation_cascades'::regclass,
                'liquidations_hourly'::regclass, 'liquidation_price_levels'::regclass,
                'liquidation_exchange_comparison'::regclass)
    LOOP
        IF described.description IS NOT NULL THEN
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', described.relation, described.name, described.description);
        END IF;
    END LOOP;
END
$$;

COMMENT ON COLUMN liquidation_cascades.cascade_start IS 'Time of the first member.';
COMMENT ON COLUMN liquidation_cascades.event_count IS 'Members, on all days.';
COMMENT ON COLUMN liquidation_cascades.max_risk_score IS 'Largest of the hot events'' rounded scores, 0 to 1.';
COMMENT ON COLUMN liquidation_cascades.exchange_count IS 'How many exchanges_involved are.';
COMMENT ON COLUMN liquidation_cascades.long_count IS 'Members that were LONG positions.';
COMMENT ON COLUMN liquidation_cascades.short_count IS 'Members that were SHORT positions.';
COMMENT ON COLUMN liquidation_cascades.max_event_usd IS 'USD of the largest member.';

COMMENT ON COLUMN liquidations_hourly.hour IS 'Start of the hour, UTC.';
COMMENT ON COLUMN liquidations_hourly.event_count IS 'Liquidations.';
COMMENT ON COLUMN liquidations_hourly.avg_value_usd IS 'USD per event.';
COMMENT ON COLUMN liquidations_hourly.max_value_usd IS 'USD of the largest event.';
COMMENT ON COLUMN liquidations_hourly.min_value_usd IS 'USD of the smallest event.';

COMMENT ON COLUMN liquidation_price_levels.hour IS 'Start of the hour, UTC.';
COMMENT ON COLUMN liquidation_price_levels.liquidation_count IS 'Liquidations.';

COMMENT ON COLUMN liquidation_exchange_comparison.event_count IS 'Liquidations.';
COMMENT ON COLUMN liquidation_exchange_comparison.avg_value_usd IS 'USD per event.';
COMMENT ON COLUMN liquidation_exchange_comparison.long_count IS 'Events that closed LONG positions.';
COMMENT ON COLUMN liquidation_exchange_comparison.short_count IS 'Events that closed SHORT positions.';

COMMENT ON COLUMN day_state.day IS 'UTC day of the events'' time.';
COMMENT ON COLUMN day_state.materialized_at IS 'When the day''s tables were last rewritten.';

COMMENT ON COLUMN frames_rejected.id IS 'In the order of recording.';
COMMENT ON COLUMN frames_rejected.received_at IS 'When we received or read it, UTC.';
COMMENT ON COLUMN frames_rejected.exchange IS 'Lower case: binance, bybit, okx; null where not even that is known.';
COMMENT ON COLUMN frames_rejected.reason IS 'Why it was rejected.';
