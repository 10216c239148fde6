"""Landed events as a binary COPY payload for ``liquidations_raw``.

PostgreSQL reads binary rows in about half the time of text, and building them is cheap when numbers are turned into
its base-10000 digits a whole column at a time. Format: https://www.postgresql.org/docs/current/sql-copy.html and
``numeric_send`` in PostgreSQL's ``numeric.c``.
"""

from __future__ import annotations

import itertools
import operator
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import polars as pl

from liq_pipeline.liquidation import Liquidation
from liq_pipeline.streams import Entries

# Columns with few distinct values first, then all numbers, so that a row is three pieces joined.
COLUMNS: Final = (
    "exchange, market, contract, symbol, side, price_kind, source, feed_semantics, parser_version, ordinal, "
    "limit_price, time, received_at, event_id, price, quantity, value_usd, raw_data"
)
_TEXTS: Final = ("exchange", "market", "contract", "symbol", "side", "price_kind", "source", "feed_semantics")
_ENUMERATIONS: Final = ("market", "side", "price_kind")
_value: Final = operator.attrgetter("_value_")
HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
POSTGRES_EPOCH_MS: Final = 946_684_800_000
_END_OF_DATES_MS: Final = 253_402_300_800_000
"""The year 10000: as far as Python's dates, and so the days everything is kept by, go."""
_MAX_NUMBER_LENGTH: Final = 64
_MOST_LABELS: Final = 100_000
Int64s: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Ids: TypeAlias = np.ndarray[Any, np.dtype[np.void]]
Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""The fields of Liquidation and of Entry, by name."""


_FIELDS: Final = (*Liquidation.__struct_fields__, *Entries._fields[1:])


class Encoded(NamedTuple):
    """Rows as ``COPY … (COLUMNS) FROM STDIN (FORMAT BINARY)`` takes them between HEADER and TRAILER."""

    rows: bytes
    offsets: Int64s
    """Where each row begins, and at last where the last one ends."""
    times: Int64s
    """UTC milliseconds, per row."""
    ids: Ids
    """The event_id, per row."""

    def parts(self, wanted: Int64s) -> Iterator[memoryview]:
        """The bytes of the rows at these ascending places, in as few pieces as they lie in."""
        first = np.flatnonzero(np.diff(wanted, prepend=-2) != 1)
        last = np.append(first[1:], len(wanted)) - 1
        rows = memoryview(self.rows)
        for start, end in zip(wanted[first].tolist(), wanted[last].tolist(), strict=True):
            yield rows[self.offsets[start] : self.offsets[end + 1]]


def columns_of(entries: Entries) -> Columns:
    """The fields of the entries, column by column."""
    liquidations, *others = entries
    if not liquidations:
        return dict.fromkeys(_FIELDS, ())
    events = zip(*map(msgspec.structs.astuple, liquidations), strict=True)
    return dict(zip(_FIELDS, (*events, *others), strict=True))


def encode(columns: Columns) -> tuple[Encoded, list[Label]]:
    """The rows of the columns, in their order, and what each is of.

    Raises ValueError, OverflowError or struct.error when a value cannot be one of its column.
    """
    count = len(columns["raw"])
    if not count:
        return Encoded(b"", np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, "V16")), []
    times, ids = _times(columns["time"]), _ids(columns["event_id"])
    labels = _labels(columns)
    pieces = ([label.text for label in labels], _numbers(columns, times, ids), columns["raw"])
    offsets = np.zeros(count + 1, np.int64)
    for piece in pieces:
        offsets[1:] += np.fromiter(map(len, piece), np.int64, count)
    rows = b"".join(itertools.chain.from_iterable(zip(*pieces, strict=True)))
    return Encoded(rows, offsets.cumsum(), times, ids), labels


def joined(parts: Sequence[Encoded]) -> Encoded:
    """All their rows, in this order."""
    if len(parts) == 1:
        return parts[0]
    begins = np.cumsum([0, *(len(part.rows) for part in parts)])
    offsets = [part.offsets[:-1] + begin for part, begin in zip(parts, begins[:-1], strict=True)]
    return Encoded(
        b"".join(part.rows for part in parts),
        np.concatenate([*offsets, begins[-1:]]),
        np.concatenate([np.zeros(0, np.int64), *(part.times for part in parts)]),
        np.concatenate([np.zeros(0, "V16"), *(part.ids for part in parts)]),
    )


class Label:
    """The columns with few distinct values, of one combination of them.

    Two are the same only if they are the same object, which makes looking them up cheap.
    """

    __slots__ = ("contract", "exchange", "source", "text")

    def __init__(self, parser_version: int, ordinal: int, *texts: str) -> None:
        named = dict(zip(_TEXTS, texts, strict=True))
        self.exchange, self.contract, self.source = named["exchange"], named["contract"], named["source"]
        parts = [struct.pack(">h", COLUMNS.count(",") + 1)]
        for text in map(str.encode, texts):
            parts += (struct.pack(">i", len(text)), text)
        self.text = b"".join((*parts, struct.pack(">iiih", 4, parser_version, 2, ordinal)))
        """The number of columns, and these."""


def _labels(columns: Columns) -> list[Label]:
    # A member of an enumeration is hashed in Python, the text it is at C's speed.
    texts = (map(_value, columns[name]) if name in _ENUMERATIONS else columns[name] for name in _TEXTS)
    return list(map(_made.__getitem__, zip(columns["parser_version"], columns["ordinal"], *texts, strict=True)))


class _Labels(dict[tuple[Any, ...], Label]):
    """Labels by their values, made when they are missing. Looked up in C: a cached function takes six times as long."""

    def __missing__(self, values: tuple[Any, ...]) -> Label:
        label = Label(*values)
        if len(self) >= _MOST_LABELS:
            self.clear()
        self[values] = label
        return label


_made: Final = _Labels()


def _numbers(columns: Columns, times: Int64s, ids: Ids) -> list[bytes]:
    """Per row the columns of fixed width, and what comes before the text of its jsonb."""
    count = len(columns["raw"])
    absent = np.array([limit is None for limit in columns["limit_price"]])
    texts = ["0" if limit is None else limit for limit in columns["limit_price"]]
    for name in ("price", "quantity", "value_usd"):
        texts += columns[name]
    # All at once, as each of polars' steps takes a while to begin.
    limits, prices, quantities, values = _numeric(texts).reshape(4, count)
    # A null limit is a length of -1 and no more: such a row starts at the last 4 bytes of its limit.
    null = np.dtype([("padding", f"V{limits.dtype.itemsize - 4}"), ("length", ">i4")])
    limits[absent] = np.array((b"", -1), null).view(limits.dtype)
    rows = np.zeros(
        count,
        dtype=[
            ("limit", limits.dtype),
            ("time_length", ">i4"),
            ("time", ">i8"),
            ("received_length", ">i4"),
            ("received", ">i8"),
            ("id_length", ">i4"),
            ("id", "V16"),
            ("price", prices.dtype),
            ("quantity", quantities.dtype),
            ("value", values.dtype),
            ("raw_length", ">i4"),
            ("raw_version", "u1"),
        ],
    )
    rows["limit"], rows["price"], rows["quantity"], rows["value"] = limits, prices, quantities, values
    rows["time_length"] = rows["received_length"] = 8
    rows["time"], rows["received"] = _timestamps(times), _timestamps(_times(columns["received_at"]))
    rows["id_length"] = 16
    rows["id"] = ids
    rows["raw_version"] = 1
    rows["raw_length"] = rows["raw_version"].itemsize + np.fromiter(map(len, columns["raw"]), np.int64, count)
    pieces: list[bytes] = rows.view(f"V{rows.dtype.itemsize}").tolist()
    for row in np.flatnonzero(absent).tolist():
        pieces[row] = pieces[row][limits.dtype.itemsize - 4 :]
    return pieces


def _ids(texts: Sequence[str]) -> Ids:
    ids = bytes.fromhex("".join(texts).replace("-", ""))
    if len(ids) != 16 * len(texts):
        raise ValueError("event_id is not a UUID")
    return np.frombuffer(ids, "V16")


def _times(milliseconds: Sequence[int]) -> Int64s:
    times = np.array(milliseconds, dtype=np.int64)
    if times.min() < 0 or times.max() >= _END_OF_DATES_MS:
        raise ValueError(f"time {times.min() if times.min() < 0 else times.max()} ms is not between 1970 and 9999")
    return times


def _timestamps(milliseconds: Int64s) -> Int64s:
    return (milliseconds - POSTGRES_EPOCH_MS) * 1000


def _numeric(numbers: Sequence[str]) -> np.ndarray[Any, np.dtype[Any]]:
    """PostgreSQL's binary numeric, its length in front, at one width for all.

    The server strips leading and trailing zero digits, so a common width costs bytes and nothing else.
    """
    texts = pl.Series(numbers, dtype=pl.String)
    wrong = texts.filter(
        ~texts.str.contains(r"^[0-9]{1,18}[0-9]?(\.[0-9]+)?$") | (texts.str.len_bytes() > _MAX_NUMBER_LENGTH)
    )
    if len(wrong):
        raise ValueError(f"{wrong[0][:_MAX_NUMBER_LENGTH]!r} is not a plain decimal number")
    parts = texts.str.splitn(".", 2)
    whole = parts.struct.field("field_0").cast(pl.UInt64).to_numpy()
    fraction = parts.struct.field("field_1").fill_null("")
    scale = fraction.str.len_bytes().to_numpy()
    before = -(-len(str(whole.max())) // 4)
    after = -(-int(scale.max()) // 4)
    padded = fraction.str.pad_end(4 * after, "0")
    digits = np.zeros((len(numbers), before + after), dtype=">i2")
    for group in range(before):
        digits[:, before - 1 - group] = whole // 10 ** (4 * group) % 10_000
    for group in range(after):
        digits[:, before + group] = padded.str.slice(4 * group, 4).cast(pl.Int16).to_numpy()
    rows = np.zeros(
        len(numbers),
        dtype=[
            ("length", ">i4"),
            ("count", ">i2"),
            ("weight", ">i2"),
            ("sign", ">i2"),
            ("scale", ">i2"),
            ("digits", ">i2", (before + after,)),
        ],
    )
    rows["length"] = 8 + 2 * (before + after)
    rows["count"] = before + after
    rows["weight"] = before - 1
    rows["scale"] = scale
    rows["digits"] = digits
    return rows
