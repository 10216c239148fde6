-- Sessions in UTC hours: asian 00-08, european 08-16, us 16-24, but weekend on Saturday and Sunday.
SELECT count(*), count(*) FILTER (WHERE events.event_id IS NULL),
    count(*) FILTER (WHERE session_type <> CASE
        WHEN extract(isodow FROM %(day)s::date) >= 6 THEN 'weekend'
        WHEN time < %(start)s + interval '8 hours' THEN 'asian'
        WHEN time < %(start)s + interval '16 hours' THEN 'european'
        ELSE 'us' END)
FROM (SELECT time, event_id, session_type FROM liquidations_significant
      WHERE time >= %(start)s AND time < %(end)s) AS rows
    LEFT JOIN (SELECT time, event_id FROM liquidations
               WHERE time >= %(start)s AND time < %(end)s AND (is_significant OR is_cascade)) AS events
    USING (event_id, time)
