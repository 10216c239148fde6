"""The last hour as it happens: from the event streams to levels 1 and 2 in Redis, and cascades while they are active.

Reads the streams, never the sockets. Everything it shows is a function of what the streams hold and of the time, so
that it can be killed, moved and run twice.

Level 1, the last 60 s, are the newest two minutes of ``liq:agg:{symbol}:60s:*`` and ``liq:cascade:status:*``; level 2,
the last hour, are ``liq:levels:*`` and all minutes.
"""
