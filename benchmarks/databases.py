"""What the benchmarks of the warehouse share: servers, a fresh database per flavour, a day of events."""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import click
import psycopg
from psycopg import sql

from liq_pipeline.embedded.account import server_account
from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline.embedded.redis import Redis
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side, canonical, event_id, usd
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import reads
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.migrate import migrate

DAY_START = 1_765_324_800_000
"""2025-12-10, UTC."""
DAY_MS = 86_400_000


def arguments(description: str | None, events: int, **switches: str) -> argparse.Namespace:
    """The options all of them have, and ``switches`` of one's own with their help."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=events)
    parser.add_argument("--database-url", help="a PostgreSQL to make databases on (default: an embedded one)")
    parser.add_argument("--redis-url", help="a Redis whose logical database is emptied (default: an embedded one)")
    for name, text in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser.parse_args()


@contextmanager
def servers(database_url: str | None, redis_url: str | None) -> Iterator[tuple[str, str]]:
    """URLs of a PostgreSQL and a Redis, started for this and durable where none is given."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liq-benchmark-")))
        if server_account().lent:
            folder.chmod(0o711)
        if database_url is None:
            postgres = Postgres(folder / "postgres", folder / "postgres.log")
            postgres.start()
            stack.callback(postgres.stop)
            database_url = postgres.url()
        if redis_url is None:
            redis = Redis(folder / "redis", folder / "redis.log")
            redis.start()
            stack.callback(redis.stop)
            redis_url = redis.url()
        yield database_url, redis_url


def flavours(database_url: str) -> Iterator[tuple[str, str]]:
    """A fresh database with our schema, plain and then with TimescaleDB if the server has it: (flavour, URL)."""
    for plain in (True, False):
        name = f"liq_benchmark_{uuid.uuid4().hex}"
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            url = urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
            migrate(url, plain=plain)
            with connect(url) as connection:
                flavour = reads.flavour(connection)
            if plain or flavour.timescaledb:
                yield "plain PostgreSQL" if plain else flavour.text, url
            else:
                click.echo("not measured: TimescaleDB, which this server does not offer")
        finally:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def day_of_events(count: int) -> Iterator[Entry]:
    """A day's events in nearly the order of time, as venues deliver them, of several symbols and venues."""
    draw = random.Random(1)
    venues = ("binance", "bybit", "okx")
    # Few coins have most of the events, as in the market: some never leave a cascade, most never enter one.
    symbols = [f"COIN{rank}USDT" for rank in range(1, 301)]
    shares = list(itertools.accumulate(1 / rank for rank in range(1, 301)))
    for number in range(count):
        time = DAY_START + min(DAY_MS - 1, number * DAY_MS // count + draw.randrange(1500))
        symbol = draw.choices(symbols, cum_weights=shares)[0]
        price = Decimal(draw.randrange(9_000_000, 9_100_000)).scaleb(-2)
        quantity = Decimal(draw.randrange(1, 60)).scaleb(-3)
        side = draw.choice((Side.LONG, Side.SHORT))
        liquidation = Liquidation(
            time=time,
            event_id=event_id("benchmark", str(number)),
            exchange=venues[number % 3],
            market=Market.LINEAR,
            contract=symbol,
            symbol=symbol,
            side=side,
            price=canonical(price),
            price_kind=PriceKind.FILL,
            quantity=canonical(quantity),
            value_usd=usd(price * quantity),
            limit_price=canonical(price + 5),
            feed_semantics="largest per symbol and second",
        )
        frame = (
            f'{{"stream":"!forceOrder@arr","data":{{"e":"forceOrder","E":{time + 1000},"o":{{"s":"{symbol}",'
            f'"S":"{"SELL" if side is Side.LONG else "BUY"}","o":"LIMIT","f":"IOC","q":"{quantity}","p":"{price + 5}",'
            f'"ap":"{price}","X":"FILLED","l":"{quantity}","z":"{quantity}","T":{time},"ps":"{symbol}","st":1}}}}}}'
        )
        yield Entry(liquidation, time + 1000, "stream", frame.encode())
