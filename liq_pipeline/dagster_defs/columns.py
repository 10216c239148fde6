"""Table and column descriptions for the catalogue, read from the COMMENTs in ``sql/``, the one place that states them.

Column lineage is stored but not drawn by the open-source UI, so a column's provenance is in its description as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import dagster as dg

import liq_pipeline

UPSTREAM: Final[Mapping[str, str]] = {
    "liquidations_raw": "liq_events",
    "liquidations": "liquidations_raw",
    "liquidations_significant": "liquidations",
    "liquidation_cascades": "liquidations",
    "liquidations_hourly": "liquidations",
    "liquidation_price_levels": "liquidations",
    "liquidation_exchange_comparison": "liquidations",
    "feed_gaps": "liquidations_raw",
    "feed_coverage": "liquidations_raw",
}
"""Where a table's columns come from: those of the same name are copies unless DERIVED says otherwise."""

_HOT: Final = ("time", "symbol", "value_usd")
_CLAIMED: Final = ("liq_coverage.from", "liq_coverage.to")
DERIVED: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    # What the venue sent is parsed when it lands, and travels in the entry's field ``event``.
    "liquidations_raw": {
        "event_id": ("event_id",),
        "received_at": ("received_at",),
        "source": ("source",),
        "raw_data": ("raw",),
    },
    "liquidations": {
        "is_cascade": _HOT,
        "cascade_id": _HOT,
        "risk_score": (*_HOT, "price", "side", "exchange"),
        "is_significant": ("value_usd",),
        "price_level": ("price", "symbol"),
    },
    "liquidations_significant": {"cascade_event_count": ("cascade_id",), "session_type": ("time",)},
    "liquidation_cascades": {
        "hour": ("time",),
        "cascade_start": ("time",),
        "cascade_end": ("time",),
        "duration_seconds": ("time",),
        "event_count": ("cascade_id",),
        "total_value_usd": ("value_usd",),
        "avg_risk_score": ("risk_score",),
        "max_risk_score": ("risk_score",),
        "exchanges_involved": ("exchange",),
        "exchange_count": ("exchange",),
        "long_count": ("side",),
        "short_count": ("side",),
        "hot_event_count": _HOT,
        "max_event_usd": ("value_usd",),
        "price_start": ("price", "time"),
        "price_end": ("price", "time"),
    },
    "liquidations_hourly": {
        "hour": ("time",),
        "event_count": ("event_id",),
        **{f"{name}_value_usd": ("value_usd",) for name in ("total", "avg", "max", "min", "stddev")},
        "total_quantity": ("quantity",),
        "cascade_count": ("is_cascade",),
        "avg_risk_score": ("risk_score",),
    },
    "liquidation_price_levels": {
        "hour": ("time",),
        "liquidation_count": ("event_id",),
        "total_value_usd": ("value_usd",),
        "total_quantity": ("quantity",),
        "avg_liquidation_size": ("value_usd",),
    },
    "liquidation_exchange_comparison": {
        "period": ("time",),
        "event_count": ("event_id",),
        "total_value_usd": ("value_usd",),
        "avg_value_usd": ("value_usd",),
        "cascade_count": ("is_cascade",),
        "long_count": ("side",),
        "short_count": ("side",),
        "significant_count": ("is_significant",),
    },
    # The rest of feed_gaps and feed_coverage is made of feed_heals, which is no asset, or of the clock.
    "feed_gaps": {
        "exchange": ("exchange", "market"),
        "started_at": _CLAIMED,
        "ended_at": _CLAIMED,
        "reason": ("liq_coverage.reason", "time", "contract", "source"),
        "healed_at": (),
    },
    "feed_coverage": {
        **dict.fromkeys(("covered_seconds", "coverage", "gap_count", "longest_gap_seconds"), _CLAIMED),
        **dict.fromkeys(("down_seconds", "collected", "uncollected_seconds"), _CLAIMED),
        **dict.fromkeys(("elapsed_seconds", "healed_seconds"), ()),
        "exchange": ("exchange", "market"),
        "day": ("time",),
        "event_count": ("event_id",),
        "saturation": ("time", "contract"),
        "overloaded_seconds": (*_CLAIMED, "liq_coverage.reason"),
        "throttled_seconds": ("time", "contract"),
        "silent_seconds": (*_CLAIMED, "liq_coverage.reason", "time", "source"),
        "complete": ("feed_semantics",),
    },
}
"""Columns of ``UPSTREAM``, or of another asset where its name and a dot come first."""

_TABLE: Final = re.compile(r"^CREATE TABLE (\w+) \(\n(.*?)^\);", re.MULTILINE | re.DOTALL)
_COLUMN: Final = re.compile(r"^    ([a-z_]+) +([a-z]+(?:\[\])?)(.*?),?$", re.MULTILINE)
_ADDED: Final = re.compile(r"^ALTER TABLE (\w+) ADD COLUMN (.*);", re.MULTILINE)
_KEY: Final = re.compile(r"^    PRIMARY KEY \(([^)]*)\)", re.MULTILINE)
_COMMENT: Final = re.compile(r"^COMMENT ON (?:TABLE|COLUMN) ([\w.]+) IS '((?:[^']|'')*)';", re.MULTILINE)


class Table(NamedTuple):
    """One table as ``sql/`` declares it."""

    name: str
    description: str
    schema: dg.TableSchema


@cache
def tables() -> Mapping[str, Table]:
    """Every table that ``sql/`` creates, by name."""
    folder = Path(liq_pipeline.__file__).parent.parent / "sql"
    text = "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("*.sql")))
    comments = {name: comment.replace("''", "'") for name, comment in _COMMENT.findall(text)}
    bodies = dict(_TABLE.findall(text))
    for name, column in _ADDED.findall(text):
        bodies[name] += f"    {column}\n"
    return {
        name: Table(name, comments.get(name, ""), dg.TableSchema(columns=_columns(name, body, comments)))
        for name, body in bodies.items()
    }


def lineage(table: str) -> dg.TableColumnLineage:
    """Which upstream columns each column is made of."""
    return dg.TableColumnLineage(
        {
            column.name: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=name) for asset, name in sources]
            for column in tables()[table].schema.columns
            if (sources := _sources(table, column.name))
        }
    )


def _columns(table: str, body: str, comments: Mapping[str, str]) -> list[dg.TableColumn]:
    key = {name.strip() for match in _KEY.findall(body) for name in match.split(",")}
    return [
        dg.TableColumn(
            name=name,
            type=type_,
            description=_description(table, name, comments),
            constraints=dg.TableColumnConstraints(
                nullable="NOT NULL" not in rest and "PRIMARY KEY" not in rest,
                other=["primary key"] if name in key or "PRIMARY KEY" in rest else [],
            ),
        )
        for name, type_, rest in _COLUMN.findall(body)
    ]


def _description(table: str, column: str, comments: Mapping[str, str]) -> str:
    upstream = UPSTREAM.get(table)
    text = (
        comments.get(f"{table}.{column}")
        or comments.get(f"{upstream}.{column}")
        or comments.get(f"liquidations_raw.{column}", "")
    )
    sources = _sources(table, column)
    made_of = f"From {', '.join(map('.'.join, sources))}." if sources else ""
    return " ".join(part for part in (text, made_of) if part)


def _sources(table: str, column: str) -> Sequence[tuple[str, str]]:
    """Assets and their columns."""
    if table not in UPSTREAM:
        return ()
    names = DERIVED[table].get(column, ("event",) if table == "liquidations_raw" else (column,))
    return [(asset or UPSTREAM[table], name) for asset, _, name in (name.rpartition(".") for name in names)]
