INSERT INTO frames_rejected (stream_id, received_at, exchange, reason, frame)
VALUES (%(stream_id)s, to_timestamp(%(received_at)s::bigint / 1000.0), %(exchange)s, %(reason)s, %(frame)s)
ON CONFLICT (stream_id) DO NOTHING
