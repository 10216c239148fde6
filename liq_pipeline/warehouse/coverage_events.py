"""A day's events as coverage looks at them: when, of which feed and contract, and whether they came live."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from liq_pipeline.liquidation import Market
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.coverage_rules import Times
from liq_pipeline.warehouse.windows import in_day

_READ: Final = """
COPY (SELECT time, exchange, market, contract, source LIKE 'import:%', feed_semantics
      FROM liquidations_raw WHERE time >= {start} AND time < {end}) TO STDOUT (FORMAT CSV)"""
_REPEATED: Final = pl.Categorical()
_SCHEMA: Final = {
    "time": pl.String(),
    "exchange": _REPEATED,
    "market": _REPEATED,
    "contract": _REPEATED,
    "imported": pl.String(),
    "semantics": _REPEATED,
}
_TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S%.f%#z"


@dataclass(frozen=True)
class FeedEvents:
    """One feed's events of a day."""

    rows: pl.DataFrame
    """``time_ms``, ``contract``, ``imported`` and ``semantics``, by contract and time."""

    @classmethod
    def none(cls) -> FeedEvents:
        """Of a feed without any."""
        return cls(pl.DataFrame(schema={**_SCHEMA, "time_ms": pl.Int64()}))

    @property
    def count(self) -> int:
        return self.rows.height

    @property
    def semantics(self) -> list[str]:
        """What the feed's volumes mean, as its events say; sorted."""
        return sorted(self.rows["semantics"].cast(pl.String).unique().to_list())

    @property
    def live(self) -> Times:
        """Times of the events that came as they happened: what was imported says nothing about a connection."""
        return _times(self.rows.filter(pl.col("imported") == "f")["time_ms"].sort())

    def by_contract(self) -> Iterator[Times]:
        """Event times contract by contract."""
        others = np.flatnonzero(np.diff(self.rows["contract"].rle_id().to_numpy()))
        yield from np.split(_times(self.rows["time_ms"]), others + 1)


def feed_of(exchange: str, market: str) -> str:
    """The feed of an exchange's market: ``binance``, ``binance:inverse``."""
    return exchange if market == Market.LINEAR else f"{exchange}:{market}"


def read(connection: Connection, day: date) -> Mapping[str, FeedEvents]:
    """The events of the UTC day by feed; feeds without any are not in it."""
    buffer = io.BytesIO()
    with connection.cursor().copy(in_day(_READ, day)) as copy:
        for data in copy:
            buffer.write(data)
    if not buffer.tell():
        return {}
    rows = (
        pl.read_csv(buffer.getvalue(), has_header=False, schema=_SCHEMA)
        .with_columns(time_ms=pl.col("time").str.to_datetime(_TIME_FORMAT, time_unit="ms").dt.epoch("ms"))
        .drop("time")
        .sort("contract", "time_ms")
    )
    feeds = rows.partition_by("exchange", "market", as_dict=True, include_key=False)
    return {feed_of(str(exchange), str(market)): FeedEvents(part) for (exchange, market), part in feeds.items()}


def _times(column: pl.Series) -> Times:
    return column.to_numpy().astype(np.int64)
