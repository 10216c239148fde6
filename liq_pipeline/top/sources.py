"""Where a moment and the tables come from: servers that may go away, and come back at another address."""

from __future__ import annotations

from contextlib import ExitStack

import redis

from liq_pipeline.embedded import servers
from liq_pipeline.settings import Settings
from liq_pipeline.top import tables
from liq_pipeline.top.moment import Moment, Tables
from liq_pipeline.top.reading import Onlooker
from liq_pipeline.warehouse.backlog import open_redis


class Redis:
    """Moments of the configured Redis, or the one of this home. ``symbol`` is the one that is wanted."""

    def __init__(self, settings: Settings, symbol: str | None) -> None:
        self.symbol = symbol
        self._settings = settings
        self._stack = ExitStack()
        self._onlooker: Onlooker | None = None

    def locate(self) -> str:
        """Its URL. Raises ServerError, with the fix, where there is none."""
        return servers.locate_redis(self._settings)

    def read(self) -> Moment:
        """One moment. Raises ServerError while Redis is away; the next call looks for it anew."""
        if self._onlooker is None:
            client = self._stack.enter_context(open_redis(self.locate()))
            self._onlooker = Onlooker(client, self._settings.exchanges)
        self._onlooker.symbol = self.symbol
        try:
            return self._onlooker.look()
        except redis.RedisError:
            stack, self._stack, self._onlooker = self._stack, ExitStack(), None
            with stack:
                # Through the client's block, where it becomes a sentence.
                raise

    def close(self) -> None:
        """Close the connection; it is made again if it is needed again."""
        self._onlooker = None
        self._stack.close()


def read_tables(settings: Settings) -> Tables:
    """What the database says. Raises LiqError while it is away, or is none of ours."""
    return tables.read(settings, servers.locate_database(settings))
