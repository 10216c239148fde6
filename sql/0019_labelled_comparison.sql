-- Exchanges side by side, each with what its numbers are worth. A function and not a view, because views hold on to the
-- very table they were made on, and moving to TimescaleDB replaces it.

CREATE FUNCTION exchange_comparison(first_day date, last_day date)
RETURNS TABLE (
    period            timestamptz,
    symbol            text,
    exchange          text,
    event_count       bigint,
    total_value_usd   numeric,
    avg_value_usd     numeric,
    cascade_count     bigint,
    long_count        bigint,
    short_count       bigint,
    significant_count bigint,
    coverage          numeric,
    healed_seconds    numeric,
    complete          boolean,
    feed_semantics    text
)
LANGUAGE sql STABLE AS $$
    SELECT compared.period, compared.symbol, compared.exchange, compared.event_count, compared.total_value_usd,
           compared.avg_value_usd, compared.cascade_count, compared.long_count, compared.short_count,
           compared.significant_count, seen.coverage, seen.healed_seconds, seen.complete, seen.feed_semantics
    FROM liquidation_exchange_comparison AS compared
        -- Inverse symbols are quoted in USD, BTCUSD or BTCUSD-251226; no linear one is.
        LEFT JOIN feed_coverage AS seen
            ON seen.exchange = compared.exchange || CASE WHEN compared.symbol ~ 'USD(-\d+)?$' THEN ':inverse' ELSE '' END
                AND seen.day = (compared.period AT TIME ZONE 'UTC')::date
    WHERE compared.period >= first_day::timestamp AT TIME ZONE 'UTC'
        AND compared.period < (last_day + 1)::timestamp AT TIME ZONE 'UTC'
$$;

COMMENT ON FUNCTION exchange_comparison IS 'liquidation_exchange_comparison of the UTC days from first_day to last_day, each row with its feed''s coverage of the day, whether the venue publishes every liquidation (complete), and what its volumes mean (feed_semantics). Rows of different feed_semantics are not comparable in volume.';
