INSERT INTO frames_rejected (stream_id, received_at, exchange, reason, frame, source, market, contract)
VALUES (
    %(stream_id)s, to_timestamp(%(received_at)s::bigint / 1000.0), %(exchange)s, %(reason)s, %(frame)s, %(source)s,
    %(market)s, %(contract)s
)
ON CONFLICT (stream_id) DO NOTHING
