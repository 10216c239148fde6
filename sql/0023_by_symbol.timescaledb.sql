-- A symbol's hours of ninety days are a few thousand rows among millions. On plain tables the primary keys have to do.

CREATE INDEX IF NOT EXISTS liquidations_hourly_by_symbol ON liquidations_hourly (symbol, hour);
CREATE INDEX IF NOT EXISTS liquidation_price_levels_by_symbol ON liquidation_price_levels (symbol, hour);
