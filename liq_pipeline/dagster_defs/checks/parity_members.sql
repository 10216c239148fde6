-- What of the members of cascades a live view could not have known. A replay's times of receipt are the recording's.
WITH blind AS (
    SELECT coalesce(range_agg(tstzrange(started_at - %(slack)s, ended_at + %(slack)s)), tstzmultirange()) AS spans
    FROM live_blind_spans
)
SELECT cascade_id::text, max(received_at) AS newest,
    bool_or(source = ANY(%(files)s)) AS imported,
    bool_or(late.event_id IS NOT NULL) AS late,
    bool_or(source <> ALL(%(files)s) AND source <> 'replay' AND received_at <@ spans) AS blind
FROM liquidations CROSS JOIN blind LEFT JOIN live_late_events AS late USING (event_id)
WHERE liquidations.time >= %(start)s AND liquidations.time <= %(until)s AND cascade_id = ANY(%(ids)s::uuid[])
GROUP BY cascade_id
