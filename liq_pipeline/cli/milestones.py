"""What has happened so far, told once each while ``liq up`` runs: the first events, the first rows of each table."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import psycopg
import redis
from psycopg import sql

from liq_pipeline import streams
from liq_pipeline.live.standing import standing

_TABLES = (
    "liquidations_raw",
    "liquidations",
    "liquidations_significant",
    "liquidation_cascades",
    "liquidation_exchange_comparison",
    "liquidations_hourly",
    "liquidation_price_levels",
)


class Milestones:
    """Asks the servers now and then; a server that is away right now is asked again next time."""

    def __init__(self, database_url: str, redis_url: str, announce: Callable[[str], None]) -> None:
        self._database_url = database_url
        self._redis_url = redis_url
        self._announce = announce
        self._tables = list(_TABLES)
        self._feeds: set[str] = set()
        self._shows = False

    def look(self) -> None:
        """Announce what is new since the last look."""
        with contextlib.suppress(redis.RedisError):
            self._look_at_feeds()
        if self._tables:
            with contextlib.suppress(psycopg.Error):
                self._look_at_tables()

    def _look_at_feeds(self) -> None:
        with redis.Redis.from_url(self._redis_url, socket_timeout=2) as client:
            for key in client.scan_iter(streams.feed_key("*"), count=100):
                feed = key.decode().removeprefix(streams.feed_key(""))
                events = int(client.hget(key, "events") or 0) if feed not in self._feeds else 0
                if events:
                    self._feeds.add(feed)
                    self._announce(f"{feed}: {events} liquidations landed")
            view = standing(client)
            if not self._shows and view.runs and view.watermark is not None:
                self._shows = True
                self._announce("live view: the last hour is in Redis")

    def _look_at_tables(self) -> None:
        with psycopg.connect(self._database_url, connect_timeout=2) as connection:
            for table in tuple(self._tables):
                query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table))
                if connection.execute(query).fetchone() == (True,):
                    self._tables.remove(table)
                    self._announce(f"{table}: has rows")
        if not self._tables:
            self._announce("every table has rows")
