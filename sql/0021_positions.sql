-- The loader notes how far it is in the transaction that lands the rows: a database that lost rows which Redis was told
-- of gets them again from the streams.
COMMENT ON TABLE feed_positions IS 'How far the streams in Redis were read: of claims into feed_spans and feed_notes, of events into liquidations_raw, of rejected frames into frames_rejected.';
COMMENT ON COLUMN feed_positions.stream IS 'Key of the stream: liq:coverage:{feed}, liq:troubles:{feed}, liq:events:{exchange} or liq:rejected.';
