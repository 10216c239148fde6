-- Sums over all symbols, so that ninety days are a few thousand rows to whoever asks for hours, venues or sides.
-- Written in the step that sums liquidations_hourly, from it and from liquidations_significant; plain on both flavours,
-- as it is small.

CREATE TABLE liquidation_totals (
    hour                  timestamptz NOT NULL,
    exchange              text        NOT NULL,
    side                  text        NOT NULL,
    event_count           bigint      NOT NULL,
    total_value_usd       numeric     NOT NULL,
    max_value_usd         numeric     NOT NULL,
    cascade_count         bigint      NOT NULL,
    significant_count     bigint      NOT NULL,
    significant_value_usd numeric     NOT NULL,
    significant_max_usd   numeric,
    total_risk_score      numeric     NOT NULL,
    PRIMARY KEY (hour, exchange, side)
);

COMMENT ON TABLE liquidation_totals IS 'liquidations by hour, exchange and side, all symbols together: what liquidations_hourly and liquidations_significant add up to.';
COMMENT ON COLUMN liquidation_totals.hour IS 'Start of the hour, UTC.';
COMMENT ON COLUMN liquidation_totals.event_count IS 'Liquidations.';
COMMENT ON COLUMN liquidation_totals.total_value_usd IS 'USD, exact.';
COMMENT ON COLUMN liquidation_totals.max_value_usd IS 'USD, the largest.';
COMMENT ON COLUMN liquidation_totals.cascade_count IS 'Events that are members of a cascade.';
COMMENT ON COLUMN liquidation_totals.significant_count IS 'Rows of liquidations_significant: large ones, and members of cascades.';
COMMENT ON COLUMN liquidation_totals.significant_value_usd IS 'USD of those, exact.';
COMMENT ON COLUMN liquidation_totals.significant_max_usd IS 'USD, the largest of those; null where there is none.';
COMMENT ON COLUMN liquidation_totals.total_risk_score IS 'Sum of the risk scores of members of cascades; over cascade_count it is their mean.';

INSERT INTO liquidation_totals
SELECT summed.*, coalesce(mattering.count, 0), coalesce(mattering.usd, 0), mattering.max, coalesce(mattering.risk, 0)
FROM (
    SELECT hour, exchange, side, sum(event_count), sum(total_value_usd), max(max_value_usd), sum(cascade_count)
    FROM liquidations_hourly GROUP BY hour, exchange, side
) AS summed LEFT JOIN (
    SELECT date_bin('1 hour', time, '2000-01-01 00:00:00+00') AS hour, exchange, side, count(*), sum(value_usd) AS usd,
           max(value_usd), sum(risk_score) AS risk
    FROM liquidations_significant GROUP BY 1, exchange, side
) AS mattering USING (hour, exchange, side);
