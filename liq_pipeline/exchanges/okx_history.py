"""OKX's own history over REST: the liquidations of its swaps, asked for family by family, newest first.

``GET /api/v5/public/liquidation-orders?instType=SWAP&instFamily=BTC-USDT&state=filled&after=1791565600772&limit=100``
answers rows older than ``after`` (ts, excluded), in the words of the WebSocket and under the same throttle::

    {"code":"0","msg":"","data":[{"details":[{"bkLoss":"0","bkPx":"82655.7","ccy":"","posSide":"long","side":"sell",
     "sz":"8.55","ts":"1791565600771"}],"instFamily":"BTC-USDT","instId":"BTC-USDT-SWAP","instType":"SWAP",
     "uly":"BTC-USDT"}]}

Facts and where they are from: seven days, same fields (exchanges.md 1.5); 40 requests in 2 s and address (ccxt's
weights for okx); ``uly`` or ``instFamily`` has to be given, and a rate limit may be code 50011 within HTTP 200 (the
adapter of ai-rates, measured on all 479 families in 2026-09). OKX documents the endpoint no longer; public projects
measured in 2026-07 and 2026-08 that an answer may hold more rows than ``limit``, beside placeholders
``{"$ref":"$.data[0]"}``, and that BTC's newest page spans about a day. So nothing here relies on the size of a page,
and whoever asks has to see how far back the answers really reach.

A row becomes the frame the WebSocket would have sent of it alone, so that it has the same ``event_id`` and is read
again as such a frame. There are no frames here to count identical rows within: they count once, with ordinal 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import frames, rows
from liq_pipeline.exchanges.base import Adapter, BusyError, FrameKind, HistoryPage, Instruments, Parsed
from liq_pipeline.exchanges.okx import INVERSE as _INVERSE_FEED
from liq_pipeline.exchanges.okx import LINEAR as _LINEAR_FEED

_PATH: Final = "/api/v5/public/liquidation-orders"
_ARGUMENT: Final = {"channel": "liquidation-orders", "instType": "SWAP"}
_BUSY: Final = ("50001", "50004", "50011", "50013", "50026")
"""Unavailable for now; timed out; too many requests; busy; a system error, try again later."""
_SWAP: Final = "-SWAP"


@dataclass(frozen=True)
class OkxHistory:
    """The history of one of OKX's two swap markets; see base.History for the meaning of the members."""

    feed: Adapter
    source: str = "import:okx_rest"
    kept_ms: int = 7 * 86_400_000
    # The latest delivery seen over REST was 69 minutes after the event (exchanges.md 1.5).
    late_ms: int = 75 * 60_000
    page_rows: int = 100
    # Half of what OKX allows: other programs may share the address.
    requests_per_second: float = 10.0

    def groups(self, contracts: Iterable[str]) -> list[str]:
        return sorted({name.removesuffix(_SWAP) for name in contracts if name.endswith(_SWAP)})

    def request(self, group: str, before_ms: int) -> tuple[str, dict[str, str]]:
        return _PATH, {
            "instType": "SWAP",
            "instFamily": group,
            "state": "filled",
            "after": str(before_ms),
            "limit": str(self.page_rows),
        }

    def read(self, body: bytes, instruments: Instruments) -> HistoryPage:
        value = frames.read(body)
        listed = value.get("data") if isinstance(value, dict) else None
        if not isinstance(listed, list) or value.get("code") != "0":
            raise _refusal(value, body)
        filled = [isinstance(entry, dict) and bool(entry.get("details")) for entry in listed]
        times = [_time(row) for entry, holds in zip(listed, filled, strict=True) if holds for row in _details(entry)]
        if not times:
            return HistoryPage(Parsed(FrameKind.CONTROL), 0, None)
        elements = frames.rows(frames.fields(body)["data"])
        kept = [element for element, holds in zip(elements, filled, strict=True) if holds]
        parsed = self.feed.parse(frames.encode({"arg": _ARGUMENT, "data": kept}), instruments)
        once = [item for item in parsed.landed if item.liquidation.ordinal == 0]
        return HistoryPage(parsed._replace(landed=once), len(times), min(filter(None, times), default=None))


def _refusal(value: Any, body: bytes) -> InvalidLiquidationError:
    if not isinstance(value, dict) or "code" not in value:
        return InvalidLiquidationError(f"the answer is none of OKX's: {rows.shown(body[:200])}")
    said = f"OKX refused: {rows.shown(value.get('msg'), 300)} (code {rows.shown(value['code'])})"
    return (BusyError if value["code"] in _BUSY else InvalidLiquidationError)(said)


def _details(entry: Any) -> list[Any]:
    details = entry["details"]
    return details if isinstance(details, list) else [details]


def _time(row: Any) -> int | None:
    try:
        return rows.milliseconds("ts", row["ts"])
    except (TypeError, KeyError, IndexError, InvalidLiquidationError):
        return None


LINEAR: Final = OkxHistory(_LINEAR_FEED)
INVERSE: Final = OkxHistory(_INVERSE_FEED)
