from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side
from liq_pipeline.streams import Entry, decode_entry, encode_event


def test_an_entry_survives_the_stream_unchanged() -> None:
    liquidation = Liquidation(
        time=1791565602120,
        event_id="d8a11c1d-ded8-77bb-7ffd-e8a0d3bcdf5d",
        exchange="binance",
        market=Market.LINEAR,
        contract="币安人生USDT",
        symbol="币安人生USDT",
        side=Side.LONG,
        price="0.2185",
        price_kind=PriceKind.FILL,
        quantity="4421",
        value_usd="965.9885",
        limit_price=None,
        feed_semantics="throttled-1s-largest",
    )
    fields = {
        b"event_id": liquidation.event_id.encode(),
        b"event": encode_event(liquidation),
        b"received_at": b"1791565603055",
        b"source": b"stream",
        b"raw": b'{"e":"forceOrder"}',
    }
    assert decode_entry(fields) == Entry(liquidation, 1791565603055, "stream", b'{"e":"forceOrder"}')
