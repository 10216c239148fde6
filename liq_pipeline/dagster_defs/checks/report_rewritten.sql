-- Whether the day or its sums were written after its report, or the sums are behind the day: another run is at it.
SELECT EXISTS (
    SELECT FROM day_state AS made
        LEFT JOIN rollup_state AS summed ON summed.day = made.day
            AND summed.table_name IN ('liquidations_hourly', 'liquidation_exchange_comparison')
    WHERE made.day = %(day)s
        AND (greatest(made.materialized_at, summed.materialized_at) > %(written)s
            OR summed.materialization IS DISTINCT FROM made.materialization)
)
