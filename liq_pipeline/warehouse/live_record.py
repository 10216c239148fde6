"""What live views recorded of themselves: final cascades and their corrections, what they could not see, alerts.

Records come in any order, repeatedly and from several views at once, and leave the same rows. That works because
events are only ever added: of two cascades of one symbol that overlap in time, the one with more events knows more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.live.records import (
    Blind,
    CascadeState,
    Correction,
    Crossed,
    FinalCascade,
    LateEvent,
    Levels,
    Record,
    SeedEvent,
)
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import day_rows, locks
from liq_pipeline.warehouse.connection import LOADER, READER, Connection, connect
from liq_pipeline.warehouse.windows import utc

_MICRO: Final = 1_000_000
_IDLE_SECONDS: Final = 5.0
"""How often a view that has nothing to record says how far it came."""
_OLD_NEWS: Final = "1 day"
"""A cascade that ended so long ago, in a replay or after an outage, alerts nobody."""

FILES: Final = [f"import:{name}" for name in FORMATS]
"""Sources of rows that went past the streams: no live view can know of them."""

_PUT_CASCADE: Final = (Path(__file__).parent / "put_live_cascade.sql").read_text("utf-8")
_REPLACE: Final = """
UPDATE live_cascades AS old SET replaced_by = new.cascade_id, corrected_at = %(at)s
FROM live_cascades AS new
WHERE new.symbol = %(symbol)s AND new.definition = %(definition)s
    AND new.cascade_start <= %(end)s AND new.cascade_end >= %(start)s AND new.replaced_by IS NULL
    AND old.symbol = new.symbol AND old.definition = new.definition AND old.replaced_by IS NULL
    AND old.cascade_start <= new.cascade_end AND old.cascade_end >= new.cascade_start
    AND old.event_count < new.event_count"""
_PUT_LATE: Final = """
INSERT INTO live_late_events (event_id, symbol, time, arrived_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (event_id) DO NOTHING"""
_PUT_BLIND: Final = """
INSERT INTO live_blind_spans (started_at, ended_at, reason) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"""
_PUT_ALERT: Final = f"""
INSERT INTO cascade_alerts (symbol, kind, level, cascade_id, cascade_start, cascade_end, event_count,
                            total_value_usd, risk, exchanges)
SELECT %(symbol)s, %(kind)s, %(level)s, %(cascade_id)s, %(start)s, %(end)s, %(event_count)s,
       %(total_value)s, %(max_risk)s, %(exchanges)s
WHERE %(end)s > clock_timestamp() - interval '{_OLD_NEWS}' AND NOT EXISTS (
    SELECT FROM cascade_alerts
    WHERE symbol = %(symbol)s AND kind = %(kind)s AND level = %(level)s
        AND cascade_start <= %(end)s AND cascade_end >= %(start)s)"""
_PUT_STATE: Final = """
INSERT INTO live_state AS state (watermark, landed) VALUES (%s, %s)
ON CONFLICT (only_row) DO UPDATE SET watermark = greatest(state.watermark, excluded.watermark),
    landed = greatest(state.landed, excluded.landed), recorded_at = clock_timestamp()"""
_LANDED: Final = "SELECT (extract(epoch FROM landed) * 1000)::bigint FROM live_state"
_SEED: Final = """
SELECT (extract(epoch FROM time) * 1000)::bigint, event_id::text, exchange, symbol, side = 'LONG', price::text,
       quantity::text, (value_usd * 1000000)::bigint, (extract(epoch FROM received_at) * 1000)::bigint, source
FROM liquidations_raw
WHERE time >= %s AND time < %s AND source <> ALL (%s)
ORDER BY received_at, time, event_id"""
_ROWS: Final = 10_000


class LiveRecord:
    """The Recorder of a live view: what it tells, in the tables of its database.

    Cascades carry the definition of ``settings``: those found with other settings never replace one another.
    """

    def __init__(self, database_url: str, settings: Settings) -> None:
        self._database_url = database_url
        self._definition = definition(settings)
        self._levels = {"usd": settings.alert_cascade_usd, "risk": settings.alert_cascade_risk}
        self._recorded = -_IDLE_SECONDS

    def record(self, items: Sequence[Record], *, watermark: int | None, landed: int) -> None:
        """See ``live.records.Recorder``; without items it is written every few seconds only."""
        if not items and time.monotonic() - self._recorded < _IDLE_SECONDS:
            return
        with connect(self._database_url, role=LOADER) as connection:
            # Two views that tell the same would each find nothing there, or wait for one another in a circle.
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (locks.LIVE, 0))
            for item in items:
                self._put(connection, item)
            connection.execute(_PUT_STATE, (None if watermark is None else utc(watermark), utc(landed)))
        self._recorded = time.monotonic()

    def landed(self) -> int | None:
        """See ``live.records.Recorder``."""
        with connect(self._database_url, role=READER) as connection:
            row = connection.execute(_LANDED).fetchone()
        return int(row[0]) if row else None

    def seed(self, start: int, end: int) -> Iterator[SeedEvent]:
        """See ``live.records.Recorder``."""
        with (
            connect(self._database_url, role=READER) as connection,
            connection.cursor(name="seed", withhold=False) as cursor,
        ):
            cursor.itersize = _ROWS
            cursor.execute(_SEED, (utc(start), utc(end), FILES))
            yield from map(SeedEvent._make, cursor)

    def _put(self, connection: Connection, item: Record) -> None:
        match item:
            case FinalCascade():
                self._put_final(connection, item, None)
            case Correction():
                # What they replace overlaps them. A final that is active again stands until what it became is told.
                for final in item.standing:
                    self._put_final(connection, final, item.late_event_id)
            case LateEvent():
                row = (item.event_id, item.symbol, utc(item.time), utc(item.arrived))
                connection.execute(_PUT_LATE, row)
            case Blind():
                connection.execute(_PUT_BLIND, (utc(item.start), utc(item.end), item.reason))
            case Crossed():
                level = self._levels[item.kind][item.level]
                connection.execute(_PUT_ALERT, {**_columns(item.cascade), "kind": item.kind, "level": level})

    def _put_final(self, connection: Connection, final: FinalCascade, late_event_id: str | None) -> None:
        row = {
            **_columns(final.cascade),
            "definition": self._definition,
            "supersedes": list(final.supersedes),
            "at": utc(final.finalized_at),
            "late": late_event_id,
        }
        connection.execute(_PUT_CASCADE, row)
        connection.execute(_REPLACE, row)


def definition(settings: Settings) -> str:
    """What tells cascades of different settings apart: ``window_ms|min_events|min_usd``, as in their ids."""
    params = day_rows.params(settings)
    return f"{params.window_ms}|{params.min_events}|{params.min_usd}"


def levels(settings: Settings) -> Levels:
    """The settings' levels in the units of a live view."""
    return Levels(
        risk=tuple(int(level * _MICRO) for level in settings.alert_cascade_risk),
        usd=tuple(int(level * _MICRO) for level in settings.alert_cascade_usd),
    )


def _columns(cascade: CascadeState) -> dict[str, object]:
    """A cascade's columns as PostgreSQL takes them; whole numbers of millionths as exact text."""
    micro = {name: f"{getattr(cascade, name)}e-6" for name in ("total_value", "max_event", "avg_risk", "max_risk")}
    return {
        **{name: getattr(cascade, name) for name in CascadeState.__slots__},
        **micro,
        "start": utc(cascade.start),
        "end": utc(cascade.end),
        "seconds": f"{cascade.end - cascade.start}e-3",
        "exchanges": list(cascade.exchanges),
    }
