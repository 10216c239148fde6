"""Where a connection goes: the venue's URL, or the one a user put in its place."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from liq_pipeline.exchanges.base import Adapter


def connect_url(adapter: Adapter, override: str | None, symbols: Sequence[str]) -> str:
    """The WebSocket URL for these contracts (empty: all of the venue's).

    An override without a path gets the adapter's own path. One with a path is taken as given, since its writer may
    have a proxy or another route in mind; only a combined-stream URL (``.../stream``) without a query gets the query.
    """
    path = adapter.path(symbols)
    if override is None:
        return adapter.ws_url + path
    given = urlsplit(override)
    if given.path in ("", "/"):
        own = urlsplit(path)
        return urlunsplit((given.scheme, given.netloc, own.path, given.query or own.query, ""))
    query = given.query
    if not query and given.path.endswith("/stream"):
        query = urlsplit(path).query
    return urlunsplit((given.scheme, given.netloc, given.path, query, ""))
