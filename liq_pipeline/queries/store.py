"""Where queries ask: the database as the reader role, read only, and Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, LiteralString, TypeVar

import psycopg
import redis
from psycopg import errors

from liq_pipeline.embedded import servers
from liq_pipeline.errors import SchemaError, ServerError
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse import migrate
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.connection import READER, Connection
from liq_pipeline.warehouse.connection import connect as connect_to_database

# Compiling a plan over a hundred chunks takes longer than running it.
_SESSION: Final = "SET default_transaction_read_only = on; SET jit = off"
_UNKNOWN: Final = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)
Row = tuple[Any, ...]
T = TypeVar("T")


class Store:
    """Connections that are made when they are first needed, and again after a server was away; see ``connect``."""

    def __init__(self, settings: Settings, database_url: str | None = None, redis_url: str | None = None) -> None:
        self.settings = settings
        self._urls = (database_url, redis_url)
        self._stack = ExitStack()
        self._connection: Connection | None = None

    def rows(self, statement: LiteralString, values: Mapping[str, object] | None = None) -> list[Row]:
        """What the database answers. A database without our tables has no rows; one with older ones is an error."""
        return self.ask(lambda connection: connection.execute(statement, values).fetchall(), [])

    def ask(self, question: Callable[[Connection], T], nothing: T) -> T:
        """The same with a function that asks; ``nothing`` is the answer of a database without our tables."""
        connection = self._connected()
        try:
            return question(connection)
        except psycopg.OperationalError:
            stack, self._stack, self._connection = self._stack, ExitStack(), None
            with stack:
                # Through the stack, where it becomes a sentence.
                raise
        except errors.InsufficientPrivilege as error:
            raise ServerError(
                f"LIQ_DATABASE_URL's user may not read: {error.diag.message_primary}: GRANT {READER} TO it"
            ) from None
        except _UNKNOWN as error:
            # A failed snapshot answers nothing more.
            if not connection.info.transaction_status and not self.has_schema():
                return nothing
            raise SchemaError(
                f"{error.diag.message_primary}: the schema is older than this program, bring it up to date with "
                "`liq migrate`"
            ) from None

    def has_schema(self) -> bool:
        """Whether the database has tables of ours at all."""
        return migrate.version(self._connected()) > 0

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries of the block see the database as it is at the first of them."""
        connection = self._connected()
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield

    @contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        """A client for the time of the block; its errors are ServerErrors that name the server and the fix."""
        url = self._urls[1] or servers.locate_redis(self.settings)
        with open_redis(url) as client:
            yield client

    def close(self) -> None:
        """Close the connection to the database; it is made again if it is needed again."""
        self._connection = None
        self._stack.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            url = self._urls[0] or servers.locate_database(self.settings)
            connection = self._stack.enter_context(connect_to_database(url, autocommit=True, role=READER))
            # Prepared statements forget the span they are for, and with it which chunks there is nothing to find in.
            connection.prepare_threshold = None
            connection.execute(_SESSION)
            self._connection = connection
        return self._connection


def connect(
    settings: Settings | None = None, *, database_url: str | None = None, redis_url: str | None = None
) -> Store:
    """Where to ask: to be closed, or used as a context manager. Nothing is connected to before the first query.

    What is not given is read from LIQ_* variables and ``.env``; without any URL the servers that `liq up` or
    `liq env --start` runs in LIQ_HOME are found. Queries raise ServerError with the fix when there are none.
    """
    return Store(settings or load_settings(), database_url, redis_url)
