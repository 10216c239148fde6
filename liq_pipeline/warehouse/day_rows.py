"""A day's raw rows and what detection found in them, as the rows of the three event tables.

Numbers stay the decimal text PostgreSQL gave; computed ones are whole numbers of millionths written as ``…e-6``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from liq_pipeline.detection.columns import Detection, Events, Params
from liq_pipeline.detection.padding import Span
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.price_level import price_level

DAY_MS: Final = 86_400_000
EVENT_COLUMNS: Final = (
    *("time", "event_id", "exchange", "market", "contract", "symbol", "side", "price", "price_kind", "quantity"),
    *("value_usd", "limit_price", "received_at", "source", "feed_semantics"),
)
_REPEATED: Final = ("exchange", "market", "contract", "side", "price_kind", "source", "feed_semantics")
"""Event columns with few distinct values: a third of a day's memory less than as text, and read faster."""
_ENRICHED_COLUMNS: Final = (*EVENT_COLUMNS, "is_cascade", "cascade_id", "risk_score", "is_significant", "price_level")
_SIGNIFICANT_COLUMNS: Final = (
    *("time", "event_id", "exchange", "symbol", "side", "price", "quantity", "value_usd", "is_cascade"),
    *("cascade_id", "cascade_event_count", "risk_score", "session_type"),
)
_READ: Final = (Path(__file__).parent / "read_raw.sql").read_text()
_TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S%.f%#z"
_WRITTEN_TIME: Final = "%Y-%m-%dT%H:%M:%S%.3f+00"
_SLICE: Final = 100_000
_SATURDAY: Final = 5


def params(settings: Settings) -> Params:
    """The cascade settings as detection wants them."""
    window = settings.cascade_window_seconds * 1000
    return Params(window, settings.cascade_min_events, _micro(settings.cascade_min_usd))


def day_span(day: date) -> Span:
    """The UTC day in milliseconds."""
    start = (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS
    return Span(start, start + DAY_MS)


def read_raw(connection: Connection, span: Span) -> pl.DataFrame:
    """Raw rows of ``span`` as text, with ``time_ms`` and ``value_micro``, sorted by (symbol, time, event_id)."""
    buffer = io.BytesIO()
    with connection.cursor().copy(_READ, (span.start, span.end)) as copy:
        for data in copy:
            buffer.write(data)
    schema = {name: pl.Categorical() if name in _REPEATED else pl.String() for name in EVENT_COLUMNS}
    rows = (
        pl.read_csv(buffer.getvalue(), has_header=False, schema=schema)
        if buffer.tell()
        else pl.DataFrame(schema=schema)
    )
    parts = pl.col("value_usd").str.splitn(".", 2).struct
    micro = parts.field("field_0") + parts.field("field_1").fill_null("").str.pad_end(6, "0")
    return rows.with_columns(
        time_ms=pl.col("time").str.to_datetime(_TIME_FORMAT, time_unit="ms").dt.epoch("ms"),
        value_micro=micro.cast(pl.Int64),
    ).sort("symbol", "time_ms", "event_id")


def as_events(rows: pl.DataFrame) -> Events:
    """The columns detection reads, in the order of ``rows``."""
    symbols, symbol = _codes(rows["symbol"])
    exchanges, exchange = _codes(rows["exchange"].cast(pl.String))
    return Events(
        time=rows["time_ms"].to_numpy(),
        symbol=symbol.astype(np.int32),
        value=rows["value_micro"].to_numpy(),
        price=rows["price"].cast(pl.Float64).to_numpy(),
        is_long=(rows["side"] == "LONG").to_numpy(),
        exchange=exchange.astype(np.uint8),
        symbols=symbols,
        exchanges=exchanges,
    )


def enrich(rows: pl.DataFrame, found: Detection, day: date, settings: Settings) -> pl.DataFrame:
    """The day's rows of ``liquidations``, by time, with the further columns of ``liquidations_significant``."""
    span = day_span(day)
    ids = pl.Series(found.cascades.id, dtype=pl.String)
    counts = pl.Series(found.cascades.event_count, dtype=pl.Int64)
    cascade = pl.Series(found.cascade, dtype=pl.Int64)
    member = cascade.set(cascade < 0, None)
    enriched = rows.with_columns(
        is_cascade=cascade >= 0,
        cascade_id=ids.gather(member),
        cascade_event_count=counts.gather(member),
        risk=pl.Series(found.risk, dtype=pl.Int64),
    )
    own = (pl.col("time_ms") >= span.start) & (pl.col("time_ms") < span.end)
    hour = (pl.col("time_ms") - span.start) // 3_600_000
    session = pl.when(hour < 8).then(pl.lit("asian")).when(hour < 16).then(pl.lit("european")).otherwise(pl.lit("us"))
    events = enriched.filter(own)
    return events.with_columns(
        risk_score=pl.when("is_cascade").then(_millionths(pl.col("risk"))),
        is_significant=pl.col("value_micro") >= _micro(settings.significant_usd),
        price_level=price_level(events["symbol"], events["price"]),
        session_type=pl.lit("weekend") if day.weekday() >= _SATURDAY else session,
    ).sort("time_ms", "event_id")


def liquidations(enriched: pl.DataFrame) -> pl.DataFrame:
    """Columns of ``liquidations``."""
    return enriched.select(_ENRICHED_COLUMNS)


def significant(enriched: pl.DataFrame) -> pl.DataFrame:
    """Rows and columns of ``liquidations_significant``."""
    return enriched.filter(pl.col("is_significant") | pl.col("is_cascade")).select(_SIGNIFICANT_COLUMNS)


def cascades(rows: pl.DataFrame, found: Detection, day: date) -> pl.DataFrame:
    """The rows of ``liquidation_cascades`` that start on ``day``; ``rows`` are those ``found`` is about."""
    span, all_ = day_span(day), found.cascades
    start = pl.from_epoch(pl.Series(all_.start, dtype=pl.Int64), "ms")
    micro = [pl.Series(column.tolist(), dtype=pl.Int128) for column in (all_.total_value, all_.max_event)]
    frame = pl.DataFrame(
        {
            "cascade_id": pl.Series(all_.id, dtype=pl.String),
            "symbol": [found.events.symbols[code] for code in all_.symbol.tolist()],
            "hour": start.dt.truncate("1h"),
            "cascade_start": start,
            "cascade_end": pl.from_epoch(pl.Series(all_.end, dtype=pl.Int64), "ms"),
            "duration_seconds": pl.Series(all_.end - all_.start, dtype=pl.Int64).cast(pl.String) + "e-3",
            "event_count": all_.event_count,
            "total_value_usd": micro[0].cast(pl.String) + "e-6",
            "avg_risk_score": pl.Series(all_.avg_risk, dtype=pl.Int64).cast(pl.String) + "e-6",
            "max_risk_score": pl.Series(all_.max_risk, dtype=pl.Int64).cast(pl.String) + "e-6",
            "exchanges_involved": [_array(names) for names in found.exchange_names],
            "exchange_count": [len(names) for names in found.exchange_names],
            "long_count": all_.long_count,
            "short_count": all_.short_count,
            "hot_event_count": all_.hot_event_count,
            "max_event_usd": micro[1].cast(pl.String) + "e-6",
            "price_start": rows["price"].gather(all_.first_row),
            "price_end": rows["price"].gather(all_.last_row),
        },
        schema_overrides={"symbol": pl.String, "exchanges_involved": pl.String, "exchange_count": pl.Int64},
    )
    return frame.filter(pl.Series((all_.start >= span.start) & (all_.start < span.end), dtype=pl.Boolean))


def as_csv(rows: pl.DataFrame) -> Iterator[bytes]:
    """``rows`` for COPY … (FORMAT CSV), a slice at a time so that memory holds no second copy of a day."""
    for part in rows.iter_slices(_SLICE):
        buffer = io.BytesIO()
        part.write_csv(buffer, include_header=False, datetime_format=_WRITTEN_TIME)
        yield buffer.getvalue()


def _codes(names: pl.Series) -> tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.uint32]]]:
    known = names.unique().sort()
    return known.to_list(), names.cast(pl.Enum(known)).to_physical().cast(pl.UInt32).to_numpy()


def _micro(amount: Decimal) -> int:
    """The least whole number of micro-USD that reaches ``amount``."""
    return int((amount * 1_000_000).to_integral_value(ROUND_CEILING))


def _millionths(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String) + "e-6"


def _array(names: list[str]) -> str:
    return "{" + ",".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names) + "}"
