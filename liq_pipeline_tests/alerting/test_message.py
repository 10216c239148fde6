"""What a message says: all there is of few things, the first of many, never more than the channel takes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from liq_pipeline.alerting.message import compose
from liq_pipeline.warehouse.outbox import Said

UI = "http://ui"
LINKS = ["/assets/liquidations?view=checks&checkDetail=matches_raw", "/runs/1"]


def _said(number: int = 1, **changes: Any) -> Said:
    fields: dict[str, Any] = {
        "id": number,
        "at": datetime(2026, 11, 21, 12, 3, tzinfo=UTC),
        "key": f"check:{number}",
        "kind": "broke",
        "severity": "ERROR",
        "subject": "liquidations/matches_raw of 2026-11-21",
        "text": "3 rows missing (seen: rows 97)",
        "links": LINKS,
        "day": date(2026, 11, 21),
    }
    return Said(**{**fields, **changes})


def test_one_thing_is_told_with_all_there_is_of_it() -> None:
    title, body, kind = compose([_said()], 0, 0, UI, 5000)
    assert title == "liq: ERROR: liquidations/matches_raw of 2026-11-21"
    assert body.splitlines() == [
        "ERROR: liquidations/matches_raw of 2026-11-21: 3 rows missing (seen: rows 97) (2026-11-21 12:03 UTC)",
        "http://ui/assets/liquidations?view=checks&checkDetail=matches_raw",
        "http://ui/runs/1",
    ]
    assert kind == "error"


def test_the_title_of_several_counts_them_by_kind() -> None:
    said = [_said(), _said(), _said(severity="WARN"), _said(kind="healed"), _said(kind="notice", severity="INFO")]
    title, body, kind = compose(said, 0, 0, UI, 5000)
    assert title.startswith("liq: 2 errors, 1 warning, 1 healed, 1 notice: liquidations/matches_raw of 2026-11-21")
    assert [line.split(":")[0] for line in body.split("\n\n")] == ["ERROR", "ERROR", "WARN", "HEALED", "NOTICE"]
    assert "/runs/1" not in body
    assert kind == "error"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"kind": "healed"}, "healed"),
        ({"severity": "WARN"}, "warning"),
        ({"kind": "notice", "severity": "INFO"}, "notice"),
    ],
)
def test_a_message_is_as_bad_as_the_worst_of_it(said: dict[str, str], kind: str) -> None:
    assert compose([_said(**said)], 0, 0, UI, 5000).kind == kind
    assert compose([_said(**said), _said()], 0, 0, UI, 5000).kind == "error"


def test_a_burst_is_its_first_lines_and_how_many_more_there_are() -> None:
    title, body, _ = compose([_said(number) for number in range(20)], 480, 0, UI, 100_000)
    assert "20 errors, 480 more" in title
    assert body.count("3 rows missing") == 20
    assert body.endswith("and 480 more: http://ui/runs")


@pytest.mark.parametrize("room", [140, 160, 500, 1024, 4096])
def test_a_message_fits_the_channel_and_counts_what_does_not(room: int) -> None:
    said = [_said(number, text=f"{number} " + "x" * 5000) for number in range(20)]
    _, body, _ = compose(said, 5, 3, UI, room)
    assert len(body) <= room
    shown = body.count("ERROR: ")
    assert f"and {25 - shown} more: http://ui/runs" in body
    assert "3 older than a day" in body


def test_what_is_old_is_only_counted() -> None:
    title, body, kind = compose([], 0, 700, UI, 5000)
    assert title == "liq: 700 alerts could not be delivered in time"
    assert body == "700 older than a day could not be delivered in time: http://ui/runs"
    assert kind == "warning"
