"""When a picture is drawn, and how it gets into the metadata.

The UI shows the metadata of a day's last materialization, so each has the picture: a new one where it would look
different, otherwise the one before, byte for byte. Dagster keeps every materialization for ever; today's are a few
hundred, and a picture a few kilobytes.
"""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import dagster as dg

from liq_pipeline.dagster_defs.pictures.drawing import DRAWN, draw

PICTURE: Final = "picture"
_OF: Final = "picture_of"
_DRAWN_AT: Final = "picture_drawn_at"
_TODAY_AGAIN: Final = timedelta(hours=1)


class Drawn(NamedTuple):
    """A picture in a materialization: of how many events or spans, when drawn, and its Markdown."""

    shown: int
    at: datetime
    markdown: str


def attach(
    context: dg.AssetExecutionContext, database_url: str, table: str, day: date, shown: int, *, rewritten: bool
) -> None:
    """Add the day's picture of ``table`` to its materialization, where there is one and anything to be shown.

    ``shown`` is how many events or spans that is; by that a day is known to look different.
    """
    if table not in DRAWN or not shown:
        return
    last, now = _last(context.instance, table, day), datetime.now(UTC)
    if last is None or (rewritten and looks_different(last, shown, day, now)):
        last = Drawn(shown, now, _markdown(table, day, draw(database_url, table, day)))
    context.add_asset_metadata(
        {
            PICTURE: dg.MetadataValue.md(last.markdown),
            _OF: last.shown,
            _DRAWN_AT: dg.MetadataValue.timestamp(last.at),
        },
        asset_key=table,
        partition_key=day.isoformat(),
    )


def looks_different(last: Drawn, shown: int, day: date, now: datetime) -> bool:
    """Whether a rewritten day is worth drawing again: today is rewritten every five minutes and changes little."""
    if day != now.date():
        return True
    return now - last.at >= _TODAY_AGAIN or 4 * abs(shown - last.shown) > last.shown


def _markdown(table: str, day: date, picture: bytes) -> str:
    return f"![{table} of {day}](data:image/png;base64,{base64.b64encode(picture).decode()})"


def _last(instance: dg.DagsterInstance, table: str, day: date) -> Drawn | None:
    """The picture in the day's last materialization."""
    of_day = dg.AssetRecordsFilter(asset_key=dg.AssetKey(table), asset_partitions=[day.isoformat()])
    for record in instance.fetch_materializations(of_day, limit=1).records:
        found = record.asset_materialization
        if found is not None and PICTURE in found.metadata:
            shown, at, picture = (found.metadata[name].value for name in (_OF, _DRAWN_AT, PICTURE))
            assert isinstance(shown, int) and isinstance(at, float) and isinstance(picture, str)
            return Drawn(shown, datetime.fromtimestamp(at, UTC), picture)
    return None
