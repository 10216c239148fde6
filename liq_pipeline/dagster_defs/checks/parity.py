"""Whether the live view showed what the batch finds: every column of every cascade, and why where it did not.

The live view knows what went through the streams while it ran; the tables know all that ever landed. So some
differences are to be expected, and each of those leaves evidence: events that came from files, events older than the
view's memory, spans in which none ran, other settings. What nothing explains is a defect of one of the two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from liq_pipeline.dagster_defs.checks.catalogue import Check
from liq_pipeline.dagster_defs.checks.rules import Look, Row, Verdict
from liq_pipeline.warehouse.day_state import read_states, stale
from liq_pipeline.warehouse.live_record import FILES, definition

COLUMNS: Final = (
    *("cascade_id", "cascade_start", "cascade_end", "duration_seconds", "event_count", "total_value_usd"),
    *("avg_risk_score", "max_risk_score", "exchanges_involved", "exchange_count", "long_count", "short_count"),
    *("hot_event_count", "max_event_usd", "price_start", "price_end"),
)
UNEXPLAINED: Final = "unexplained"
_SHOWN: Final = 10
_SLACK: Final = timedelta(minutes=1)
"""Between receipt and landing, and between the clocks of Redis and PostgreSQL."""
_DELIVERY: Final = timedelta(minutes=5)
"""So late venues' events come at times: a cascade that ended less than that before the streams were drained may go on
in what has landed since, and be active."""
_MEMORY: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


class Known(NamedTuple):
    """How far both sides came: ``watermark`` and ``landed`` of the live view, ``drained_until`` of the loader.

    ``reparsed_at`` is when rows of the day or its neighbours were last read again, ``fresh`` and ``next_fresh`` say
    whether the day and the next one hold all that the database has; ``blind`` are spans, by landing time, in which no
    view ran.
    """

    watermark: datetime
    landed: datetime
    drained_until: datetime | None
    window: timedelta
    day_end: datetime
    fresh: bool = True
    next_fresh: bool = True
    blind: Sequence[tuple[datetime, datetime]] = ()
    reparsed_at: datetime | None = None


class Evidence(NamedTuple):
    """What is known of a cascade's members: when the last one was received, and whether any came from a file, was
    older than a live view's memory, or landed while none ran."""

    newest: datetime
    imported: bool = False
    late: bool = False
    blind: bool = False


class Difference(NamedTuple):
    """A cascade that one side has and the other has not, or not with the same columns.

    ``other_settings`` where a live view found one in its place with other settings.
    """

    batch: Row | None
    live: Row | None
    columns: tuple[str, ...] = ()
    other_settings: bool = False


class _Cascades:
    """Cascades of one side, to find the other side's among them."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._by_id: dict[str, Row] = {}
        self._by_symbol = defaultdict[str, list[Row]](list)
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        self._by_id[row["cascade_id"]] = row
        self._by_symbol[row["symbol"]].append(row)

    def meeting(self, row: Row) -> Row | None:
        """The one with the same id and symbol, else the first that overlaps in time."""
        same = self._by_id.get(row["cascade_id"])
        if same is not None and same["symbol"] == row["symbol"]:
            return same
        overlapping = (
            other
            for other in self._by_symbol[row["symbol"]]
            if other["cascade_start"] <= row["cascade_end"] and other["cascade_end"] >= row["cascade_start"]
        )
        return min(overlapping, key=lambda other: other["cascade_start"], default=None)


def live_equals_batch(look: Look) -> Verdict:
    """Every cascade of the day stands in the live view's record as it is here, or it is known why not."""
    state = look.rows("parity_state")
    if not state or state[0]["watermark"] is None:
        return Verdict(True, "no live view has recorded anything yet: nothing to compare")
    batch = look.rows("parity_batch")
    until = max((row["cascade_end"] for row in batch), default=look.end)
    live = look.rows("parity_live", until=max(until, look.end))
    own_batch, own_live = ([row for row in rows if look.start <= row["cascade_start"]] for rows in (batch, live))
    if state[0]["blind_all_day"] and not own_live:
        return Verdict(True, f"no live view ran on {look.day}: nothing to compare", {"cascades": len(own_batch)})
    found = differences(batch, live, definition(look.settings), look.start, look.end)
    ids = [row["cascade_id"] for each in found for row in (each.batch,) if row]
    members = look.rows("parity_members", ids=ids, until=until, files=FILES, slack=_SLACK) if ids else []
    evidence = {row["cascade_id"]: Evidence(*(row[name] for name in Evidence._fields)) for row in members}
    return judge(found, evidence, _known(look, state[0]), len(own_batch))


def differences(
    batch: Iterable[Row], live: Iterable[Row], definition: str, start: datetime, end: datetime
) -> list[Difference]:
    """What differs of the cascades that began from ``start`` to ``end``; both sides may hold others, to pair them."""
    batch, live = list(batch), list(live)
    ours, others, there = _Cascades(), _Cascades(), _Cascades(batch)
    for row in live:
        (ours if row["definition"] == definition else others).add(row)
    found: list[Difference] = []
    for row in batch:
        if start <= row["cascade_start"] < end:
            pair = ours.meeting(row)
            columns = tuple(name for name in COLUMNS if pair and pair[name] != row[name])
            if not pair or columns:
                found.append(Difference(row, pair, columns, not pair and others.meeting(row) is not None))
    alone = (row for row in live if row["definition"] == definition and start <= row["cascade_start"] < end)
    return found + [Difference(None, row) for row in alone if there.meeting(row) is None]


def reason(difference: Difference, evidence: Evidence | None, known: Known) -> str | None:
    """Why there is a difference, in words; None where one of the two sides has not finished yet."""
    batch, live, _, other_settings = difference
    end = max(row["cascade_end"] for row in (batch, live) if row)
    unfinished = (
        not known.fresh
        or end + known.window > known.watermark
        or (end + known.window > known.day_end and not known.next_fresh)
        or known.drained_until is None
        or end + known.window + _DELIVERY > known.drained_until
        or (live is not None and live["recorded_at"] + _SLACK > known.drained_until)
        or (evidence is not None and evidence.newest + _SLACK > known.landed)
    )
    if unfinished:
        return None
    if other_settings:
        return "settings changed"
    knew_more = live is not None and (batch is None or live["event_count"] > batch["event_count"])
    if (evidence and evidence.blind) or (knew_more and _went_dark(live, known.blind)):
        return "gap"
    if evidence and evidence.imported:
        return "imported"
    if evidence and evidence.late:
        return "late event"
    if known.reparsed_at and (live is None or live["recorded_at"] < known.reparsed_at):
        return "reparsed"
    return UNEXPLAINED


def judge(found: Sequence[Difference], evidence: Mapping[str, Evidence], known: Known, cascades: int) -> Verdict:
    """Passes when every difference is explained; ``cascades`` is how many the batch has."""
    reasons = [
        (each, reason(each, evidence.get(each.batch["cascade_id"]) if each.batch else None, known)) for each in found
    ]
    explained = sorted(((why, each) for each, why in reasons if why), key=lambda item: item[0] != UNEXPLAINED)
    counts = Counter(why for why, _ in explained)
    unfinished = len(found) - len(explained)
    said = [f"{number} {why}" for why, number in sorted(counts.items())]
    return Verdict(
        UNEXPLAINED not in counts,
        f"{cascades} cascades, {len(explained)} of them or of the live view's differ"
        + (f" ({', '.join(said)})" if said else "")
        + (f"; {unfinished} are not finished on both sides" if unfinished else ""),
        {
            "cascades": cascades,
            "differences": len(explained),
            "not_finished": unfinished,
            **{why.replace(" ", "_"): number for why, number in counts.items()},
        },
        worst=[_shown(each, why) for why, each in explained[:_SHOWN]],
    )


def _known(look: Look, state: Row) -> Known:
    states = read_states(look.connection, look.day - _DAY, look.day + _DAY)
    behind = {found.day for found in stale(states, look.settings)}
    return Known(
        state["watermark"],
        state["landed"],
        state["drained_until"],
        timedelta(seconds=look.settings.cascade_window_seconds),
        look.end,
        fresh=look.day not in behind,
        next_fresh=look.day + _DAY not in behind,
        blind=[(span.lower, span.upper) for span in state["blind"]],
        reparsed_at=state["reparsed_at"],
    )


def _went_dark(live: Row | None, blind: Iterable[tuple[datetime, datetime]]) -> bool:
    """Whether what the view knew may have been lost with Redis before the database had it."""
    assert live is not None
    return any(start <= live["cascade_end"] + _MEMORY and live["cascade_start"] <= end for start, end in blind)


def _shown(difference: Difference, why: str) -> dict[str, object]:
    batch, live, columns, _ = difference
    row = batch or live
    assert row is not None
    where = "columns differ" if batch and live else "only in the tables" if batch else "only in the live view"
    return {
        "reason": why,
        "symbol": row["symbol"],
        "start": row["cascade_start"].isoformat(),
        "cascade_id": row["cascade_id"],
        "what": where,
        "tables": _values(batch, columns),
        "live": _values(live, columns),
    }


def _values(row: Row | None, columns: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in columns or ("event_count", "total_value_usd")) if row else ""


LIVE_EQUALS_BATCH: Final = Check(
    "live_equals_batch",
    live_equals_batch,
    "What the live view showed when each cascade was final, corrections applied, is what the table says, column by "
    "column. Differences are listed with their reason: late event (older than the view's memory), gap (no view ran, or "
    "Redis lost entries), imported (members came from files), settings changed, reparsed (`liq reparse` changed rows "
    "since). Only what nothing explains fails. If it fails: live detection and batch detection disagree: keep the "
    "day's raw rows and its rows of live_cascades as a test of liq_pipeline/live.",
)
