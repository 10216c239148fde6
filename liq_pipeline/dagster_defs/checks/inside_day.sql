-- By the same time and id: an event that lies in the table at another time than it landed with counts as elsewhere.
SELECT count(*), count(*) FILTER (WHERE raw.event_id IS NULL),
    coalesce((SELECT raw_version FROM day_state WHERE day = %(day)s), 0),
    (SELECT materialized_version FROM day_state WHERE day = %(day)s)
FROM (SELECT time, event_id FROM liquidations WHERE time >= %(start)s AND time < %(end)s) AS events
    LEFT JOIN (SELECT time, event_id FROM liquidations_raw WHERE time >= %(start)s AND time < %(end)s) AS raw
    USING (event_id, time)
