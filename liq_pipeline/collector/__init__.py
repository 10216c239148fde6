"""From the venues' sockets to the Redis streams.

``run.collect`` is the whole collector: one ``Feed`` per venue and market, a ``Line`` for each connection it needs,
a ``Connection`` per socket, and one ``Landing`` for all. Parsing is the adapters' (``liq_pipeline.exchanges``).
"""
