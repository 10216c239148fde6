-- The formulas stand beside the numbers they make.

COMMENT ON TABLE liquidation_cascades IS 'One row per cascade, on the UTC day of its cascade_start; counts and totals cover all members, those of later days too. An event is hot when the window of LIQ_CASCADE_WINDOW_SECONDS that ends with it holds at least LIQ_CASCADE_MIN_EVENTS events of its symbol, on any exchange, worth at least LIQ_CASCADE_MIN_USD; hot events less than a window apart are one cascade; its members are all events in their windows. Defined in liq_pipeline/detection/cascades.py.';
COMMENT ON COLUMN liquidation_cascades.cascade_id IS 'UUIDv5, in the namespace 6c697100-0000-5000-8000-000000000001, of symbol|start_ms|window_ms|min_events|min_usd: the same live, in batch and after any backfill.';
COMMENT ON COLUMN liquidation_cascades.avg_risk_score IS 'Mean of the hot events'' rounded scores, 0 to 1; the formula is that of liquidations.risk_score.';
COMMENT ON COLUMN liquidation_cascades.max_risk_score IS 'Largest of the hot events'' rounded scores, 0 to 1; the formula is that of liquidations.risk_score.';

COMMENT ON COLUMN liquidations.risk_score IS 'Null outside cascades, otherwise 0 to 1, the score of the first hot event at or after this one in its cascade. Of the n events worth S USD in a hot event''s window, s seconds from first to last and at least 1: 0.25 min(S / 1,000,000, 1) + 0.20 min(6 n / s, 1) + 0.20 max(0, 1 - 10 sd(price) / mean(price)) + 0.15 |longs - shorts| / n + 0.15 (share of events of at least 500,000 USD) + 0.05 (more than one exchange); sd of the population. Rounded half-even to 6 places. Defined in liq_pipeline/detection/risk.py.';
COMMENT ON COLUMN liquidations.price_level IS 'USD per coin: price rounded down to the level width. 100 for BTC and ETH, otherwise the largest of 1, 2, 5 x 10^k within 0.1 % of the price. Defined in liq_pipeline/warehouse/price_level.py.';

COMMENT ON COLUMN liquidations_raw.side IS 'Side of the position that was liquidated, not of the order that closed it. Binance: o.S, SELL liquidates a LONG; Bybit: S, Buy is a LONG; OKX: posSide, or where that is net, side.';
COMMENT ON COLUMN liquidations_raw.price IS 'USD per coin; price_kind says which price of the venue it is. Binance: o.ap; Bybit: p; OKX: bkPx.';
COMMENT ON COLUMN liquidations_raw.quantity IS 'Base coin. Binance: o.z; Bybit: v; OKX: sz times the contract''s size. Inverse contracts: their USD over the price, 12 decimal places, rounded half-even.';
COMMENT ON COLUMN liquidations_raw.feed_semantics IS 'What the venue''s feed meant at that date. complete: every liquidation. throttled-1s: at most one per symbol and second, where it is known the latest or the largest of them. …-lower-bound: of the value only the last fill may be known.';
