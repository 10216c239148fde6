"""The jobs: a day of tables, a shift of the collector, healing, pruning, and retention."""

from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs.assets.coverage import TABLES as COVERAGE
from liq_pipeline.dagster_defs.assets.detection import TABLES as DETECTION
from liq_pipeline.dagster_defs.assets.reporting import REPORT
from liq_pipeline.dagster_defs.assets.rollups import TABLES as ROLLUPS
from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.collecting import collect_shift
from liq_pipeline.dagster_defs.dropping import drop_beyond_retention
from liq_pipeline.dagster_defs.healing import heal_feeds
from liq_pipeline.dagster_defs.live_view import live_shift
from liq_pipeline.dagster_defs.pruning import prune_superseded
from liq_pipeline.dagster_defs.shifts import MAX_RUNTIME

PRIORITY: Final = "dagster/priority"
DAY_SECONDS: Final = 3600
"""How long a run of a day may take."""
_SHIFT_SECONDS: Final = 24 * 3600 + 120
"""The same for a shift that somebody starts by hand; the sensors say how long their own are."""

daily_tables: Final = dg.define_asset_job(
    "daily_tables",
    # Without the checks about now, which are about no day.
    selection=dg.AssetSelection.assets("liquidations_raw", *DETECTION, *ROLLUPS, *COVERAGE, REPORT)
    - dg.AssetSelection.checks(*(spec.key for spec in freshness.specs())),
    description=(
        "Everything about one UTC day: drain what landed, find cascades, refresh rollups, say what was seen, write "
        "the report, run the checks. "
        "Safe to repeat: a day that is up to date is not rewritten."
    ),
    # A run that lost its worker stays STARTED until this passes, and holds its day's slot so long.
    tags={MAX_RUNTIME: str(DAY_SECONDS)},
)


@dg.job(
    description=(
        "One shift of the collector: every feed of LIQ_EXCHANGES in one op, until the shift's end. "
        "Asked for by collector_sensor; terminate a run to stop collecting until the sensor's rescue."
    ),
    tags={"liq/kind": "collector", PRIORITY: "100", MAX_RUNTIME: str(_SHIFT_SECONDS)},
)
def collector_job() -> None:
    collect_shift()


@dg.job(
    description=(
        "One shift of the live view: reads the event streams and shows the last hour in Redis (liq:levels:*, "
        "liq:agg:*, liq:hour:*, liq:cascade:status:*). Asked for by live_sensor; terminate a run to start it afresh."
    ),
    tags={"liq/kind": "live", PRIORITY: "90", MAX_RUNTIME: str(_SHIFT_SECONDS)},
)
def live_job() -> None:
    live_shift()


@dg.job(
    description=(
        "Delete Dagster's runs and events older than LIQ_DAGSTER_RETENTION_DAYS that newer ones superseded, so that "
        "its own tables stay small. What is newest of its day stays: every day keeps its status, numbers and verdicts."
    ),
    tags={"liq/kind": "housekeeping", PRIORITY: "-1", MAX_RUNTIME: "900"},
)
def prune_job() -> None:
    prune_superseded()


@dg.job(
    description="Drop what retention no longer keeps: events, rollups, rejected frames; as far as TimescaleDB has not.",
    tags={"liq/kind": "housekeeping", PRIORITY: "-1", MAX_RUNTIME: "3600"},
)
def retention_job() -> None:
    drop_beyond_retention()


@dg.job(
    description=(
        "Fill gaps of the feeds from the venues' own history (OKX: seven days over REST). Asked for by unhealed_gaps, "
        "and daily for the whole day before."
    ),
    tags={"liq/kind": "housekeeping", PRIORITY: "-1", MAX_RUNTIME: "1800"},
)
def heal_job() -> None:
    heal_feeds()
