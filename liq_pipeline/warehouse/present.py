"""Which keys of ``liquidations_raw`` are there already, asked once for many of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import numpy as np
from psycopg import sql

from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.payload import HEADER, POSTGRES_EPOCH_MS, TRAILER, Ids, Int64s

_DAY_MS: Final = 86_400_000
_SPARSE: Final = 4
"""So many rows of the table per key asked for, and looking each key up is cheaper than reading what lies between."""
_FEW: Final = 10_000
_KEY: Final = np.dtype([("time", ">i8"), ("id", "V16")])
_ROW: Final = np.dtype(
    [("columns", ">i2"), ("time_length", ">i4"), ("time", ">i8"), ("id_length", ">i4"), ("id", "V16")]
)
_ASKED: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS keys_asked (time timestamptz, event_id uuid) ON COMMIT DELETE ROWS"""
_SPAN: Final = sql.SQL(
    "COPY (SELECT time, event_id FROM {table} WHERE time >= {first} AND time <= {last} LIMIT {limit})"
    " TO STDOUT (FORMAT BINARY)"
)
_LOOKED_UP: Final = sql.SQL(
    "COPY (SELECT time, event_id FROM keys_asked AS asked WHERE EXISTS (SELECT FROM {table} AS there"
    " WHERE there.time = asked.time AND there.event_id = asked.event_id"
    " AND there.time >= {first} AND there.time <= {last})) TO STDOUT (FORMAT BINARY)"
)
Booleans: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
_Keys: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def present(connection: Connection, table: str, times: Int64s, ids: Ids) -> Booleans:
    """Per key (UTC milliseconds, event_id) whether ``table`` has it.

    Batches are mostly of one short span, and what lies in that span is mostly what they bring: reading the span is
    several times cheaper than an index lookup per row, on compressed chunks hundreds of times.
    """
    keys = np.empty(len(times), _KEY)
    keys["time"], keys["id"] = (times - POSTGRES_EPOCH_MS) * 1000, ids
    found = np.zeros(len(keys), np.bool_)
    days = times // _DAY_MS
    # A day at a time, because bounds known while planning leave TimescaleDB one chunk to look into.
    for day in np.unique(days):
        of_day = np.flatnonzero(days == day)
        there = _there(connection, table, keys[of_day], times[of_day])
        found[of_day] = np.isin(_comparable(keys[of_day]), _comparable(there))
    return found


def _there(connection: Connection, table: str, keys: _Keys, times: Int64s) -> _Keys:
    """Keys the table has, all those asked for among them."""
    limit = _SPARSE * len(keys) + _FEW
    bounds = {"table": sql.Identifier(table), "first": _literal(times.min()), "last": _literal(times.max())}
    there = _copied(connection, _SPAN.format(limit=sql.Literal(limit), **bounds))
    if len(there) < limit:
        return there
    rows = np.zeros(len(keys), _ROW)
    rows["columns"], rows["time_length"], rows["id_length"] = 2, 8, 16
    rows["time"], rows["id"] = keys["time"], keys["id"]
    connection.execute(_ASKED)
    connection.execute("TRUNCATE keys_asked")
    with connection.cursor().copy("COPY keys_asked FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(HEADER + rows.tobytes() + TRAILER)
    return _copied(connection, _LOOKED_UP.format(**bounds))


def _copied(connection: Connection, statement: sql.Composed) -> _Keys:
    with connection.cursor().copy(statement) as copy:
        data = b"".join(bytes(part) for part in copy)
    rows = np.frombuffer(data, _ROW, offset=len(HEADER), count=(len(data) - len(HEADER)) // _ROW.itemsize)
    keys = np.empty(len(rows), _KEY)
    keys["time"], keys["id"] = rows["time"], rows["id"]
    return keys


def _comparable(keys: _Keys) -> _Keys:
    """As text of bytes, which numpy can sort; at one width it compares all of them."""
    return np.ascontiguousarray(keys).view(f"S{_KEY.itemsize}")


def _literal(milliseconds: np.int64) -> sql.Literal:
    return sql.Literal(datetime.fromtimestamp(int(milliseconds) / 1000, UTC))
