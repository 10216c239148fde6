"""Checks of liquidations_raw: each liquidation landed once, under its own id, with numbers that fit each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Final
from uuid import UUID

from liq_pipeline.dagster_defs.checks.catalogue import Check
from liq_pipeline.dagster_defs.checks.deliveries import clock_skew, venue_shares
from liq_pipeline.dagster_defs.checks.events import no_duplicates
from liq_pipeline.dagster_defs.checks.rules import Look, Row, Verdict
from liq_pipeline.liquidation import Market
from liq_pipeline.warehouse import contract_sizes
from liq_pipeline.warehouse.rereading import Rereader, Stored

SAMPLE: Final = 2_000
"""Rows that ids_stable reads again: all of a quiet day, of a busy one those whose ids are the smallest."""
_SHOWN: Final = 10
_LEAST_PAIRED: Final = 50
"""Rows with a fill and a limit from which on their order is judged."""
_SWAPPED: Final = 0.5


def ids_stable(look: Look) -> Verdict:
    """Today's parsers give the rows of the sample the ids under which they landed."""
    rows = look.rows("sample", highest=_highest(sum(row["events"] for row in look.landed)), sample=SAMPLE)
    rereader = Rereader(cache(lambda exchange: contract_sizes.known(look.connection, exchange)))
    wrong = [
        {"event_id": row["event_id"], "exchange": row["exchange"], "contract": row["contract"], "today": today}
        for row in rows
        if (today := _read_again(row, rereader)) != row["event_id"]
    ]
    return Verdict(
        not wrong,
        f"{len(wrong)} of {len(rows)} rows read again are another event to today's parsers"
        if wrong
        else f"{len(rows)} rows read again, each under its id",
        {"read_again": len(rows), "wrong": len(wrong)},
        worst=wrong[:_SHOWN],
    )


def value_is_price_times_quantity(look: Look) -> Verdict:
    """USD are price times quantity within the rounding of the market."""
    return judge_values(look.landed)


def limit_beyond_fill(look: Look) -> Verdict:
    """The limit of a liquidation order is on the losing side of its fill."""
    return judge_limits(look.landed, look.settings.limit_beyond_share)


def prices_near_median(look: Look) -> Verdict:
    """No price is far from the median of its symbol's minute."""
    suspects = suspicious_hours(look.landed, float(look.settings.price_distance))
    events = sum(row["events"] for row in look.landed)
    if not suspects:
        return judge_prices(events, 0, [])
    symbols, hours = zip(*suspects, strict=True)
    found = look.rows(
        "prices", symbols=list(symbols), hours=list(hours), distance=float(look.settings.price_distance), shown=_SHOWN
    )
    far = found[0]["far"] if found else 0
    return judge_prices(events, far, [{name: row[name] for name in row if name != "far"} for row in found])


def suspicious_hours(landed: Iterable[Row], distance: float) -> list[tuple[str, object]]:
    """The symbols and hours whose prices span so much that one can be further than ``distance`` from any median."""
    spans: dict[tuple[str, object], tuple[float, float]] = {}
    for row in landed:
        key = (row["symbol"], row["hour"])
        low, high = spans.get(key, (float("inf"), 0.0))
        spans[key] = (min(low, float(row["lowest"])), max(high, float(row["highest"])))
    return [key for key, (low, high) in spans.items() if high > low * (1 + distance)]


def judge_values(landed: Iterable[Row]) -> Verdict:
    """Passes when no group has a wrong value."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in landed:
        counts = groups[row["exchange"], row["market"]]
        counts[0] += row["events"]
        counts[1] += row["wrong_values"]
    events, wrong = (sum(counts[place] for counts in groups.values()) for place in (0, 1))
    return Verdict(
        not wrong,
        f"{wrong} of {events} values are not price times quantity" if wrong else f"{events} values fit their prices",
        {"events": events, "wrong": wrong},
        worst=[
            {"exchange": exchange, "market": market, "events": counts[0], "wrong": counts[1]}
            for (exchange, market), counts in sorted(groups.items(), key=lambda item: -item[1][1])
            if counts[1]
        ],
    )


def judge_limits(landed: Iterable[Row], least_share: float) -> Verdict:
    """Passes when enough limits are beyond their fills; where most are not, sides or columns are swapped.

    Recorded days have 98.7 to 99.3 %. Of few rows a little more may be on the wrong side: three standard deviations.
    """
    groups: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in landed:
        counts = groups[row["exchange"], row["market"]]
        counts[0] += row["paired"]
        counts[1] += row["beyond"]
    seen: dict[str, int | float] = {"paired": sum(paired for paired, _ in groups.values())}
    off = []
    for (exchange, market), (paired, beyond) in sorted(groups.items()):
        if paired < _LEAST_PAIRED:
            continue
        share = beyond / paired
        seen[f"{exchange}_{market}_beyond"] = round(share, 4)
        if share < least_share - 3 * (least_share * (1 - least_share) / paired) ** 0.5:
            off.append((share, f"only {share:.1%} of the limits of {exchange} {market} are beyond their fills"))
    if not off:
        judged = len(seen) > 1
        text = (
            "limits are beyond their fills" if judged else f"fewer than {_LEAST_PAIRED} fills with a limit: not judged"
        )
        return Verdict(True, text, seen)
    swapped = min(off)[0] < _SWAPPED
    text = "; ".join(said for _, said in off)
    return Verdict(False, f"{text}: sides, or fill and limit, are swapped" if swapped else text, seen, severe=swapped)


def judge_prices(events: int, far: int, worst: list[Row]) -> Verdict:
    """Passes when no price is far off; one that is only warns, as thin markets do jump."""
    text = f"{far} of {events} prices are far from the median of their symbol's minute"
    return Verdict(
        not far,
        text if far else f"{events} prices, none far from the median of its symbol's minute",
        {"events": events, "far": far},
        severe=False,
        worst=worst,
    )


def _highest(events: int) -> str:
    """The id below which about twice the sample lies: ids are hashes, and so spread evenly."""
    return str(UUID(int=(2**128 - 1) * 2 * SAMPLE // max(events, 2 * SAMPLE)))


def _read_again(row: Row, rereader: Rereader) -> str:
    """The id of today's reading; why there is none otherwise."""
    stored = Stored(
        row["exchange"], Market(row["market"]), row["contract"], row["source"], row["ordinal"], row["received_ms"],
        row["raw"].encode(),
    )  # fmt: skip
    record = rereader.landed(stored)
    ids = [entry.liquidation.event_id for entry in record.entries]
    if row["event_id"] in ids or not ids:
        reasons = [rejection.reason for rejection in record.rejections]
        return row["event_id"] if ids else (reasons or ["no liquidation in it"])[0]
    return ids[0]


LANDED: Final = (
    Check(
        "no_duplicates",
        lambda look: no_duplicates(look, "liquidations_raw"),
        "Every liquidation landed once, under one event_id. If it fails: two sources gave the same liquidation "
        "different identities. Compare raw_data, source and parser_version of the repeated rows; repair the parser, "
        "run `liq reparse` for the day and materialize it again.",
        # Every sum of the day would count the repeats.
        blocking=True,
    ),
    Check(
        "value_is_price_times_quantity",
        value_is_price_times_quantity,
        "value_usd is price times quantity within rounding: to a micro-dollar for linear contracts, within the 12th "
        "place of the quantity for inverse ones. If it fails: a parser took a contract's size or multiplier wrong. "
        "Compare raw_data with the columns, repair the parser, run `liq reparse` for the day.",
        # Every USD figure of the day would be wrong, and cascades are found by USD.
        blocking=True,
    ),
    Check(
        "limit_beyond_fill",
        limit_beyond_fill,
        "Where a venue sends the order's limit beside its fill (Binance: p and ap), a long's limit is below and a "
        "short's above, in LIQ_LIMIT_BEYOND_SHARE of the rows at least. If it fails: sides, or the two prices, are "
        "swapped: compare S, p and ap in raw_data with side, price and limit_price; repair the parser or the file's "
        "columns, run `liq reparse` for the day.",
        # Swapped, every side and price of the venue is wrong in every table. A share between is only a warning.
        blocking=True,
    ),
    Check(
        "ids_stable",
        ids_stable,
        f"Today's parsers read raw_data to the event_id it landed under, on up to {SAMPLE} rows of the day, those with "
        "the smallest ids. If it fails: the same liquidation would land twice from now on. Take back the change of "
        "the identity, or run `liq reparse` for all days if it is meant.",
    ),
    Check(
        "prices_near_median",
        prices_near_median,
        "Every price is within LIQ_PRICE_DISTANCE of the median of its symbol's minute, or of its hour where the "
        "minute has fewer than 3 events. If it fails: look at raw_data of the rows named: a multiplied contract "
        "(1000PEPE) or a price column read wrong shows up here; a thin market that jumped is nothing to mend.",
    ),
    Check(
        "venue_shares",
        venue_shares,
        "Each venue's share of the day's events is within LIQ_VENUE_SHARE_DISTANCE of its own last two weeks, or as "
        "far out as it was before. If it fails: look at feed_gaps for the venue that lacks events, and at "
        "no_duplicates and its sources for one that has too many. A venue that was added settles by itself.",
    ),
    Check(
        "clock_skew",
        clock_skew,
        "Events arrive after they happened (LIQ_CLOCK_AHEAD_SECONDS of grace) and mostly within "
        "LIQ_DELIVERY_SECONDS. If it fails: set this host's clock (`timedatectl`, chrony) where events come from the "
        "future; look at the feed's health and the network where they come late.",
    ),
)
