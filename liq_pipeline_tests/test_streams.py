import msgspec
import pytest

from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side
from liq_pipeline.streams import Entry, decode_entries, decode_entry, encode_event

LIQUIDATION = Liquidation(
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
FIELDS = {
    b"event_id": LIQUIDATION.event_id.encode(),
    b"event": encode_event(LIQUIDATION),
    b"received_at": b"1791565603055",
    b"source": b"stream",
    b"raw": b'{"e":"forceOrder"}',
}


def test_an_entry_survives_the_stream_unchanged() -> None:
    assert decode_entry(FIELDS) == Entry(LIQUIDATION, 1791565603055, "stream", b'{"e":"forceOrder"}')


def test_many_entries_are_read_as_each_of_them() -> None:
    others = FIELDS | {b"received_at": b"7", b"raw": b"{}"}
    flats = [[part for pair in fields.items() for part in pair] for fields in (FIELDS, others)]
    assert list(map(Entry, *decode_entries(flats))) == [decode_entry(FIELDS), decode_entry(others)]


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {b"hello": b"world"},
        dict(reversed(FIELDS.items())),
        FIELDS | {b"more": b""},
        FIELDS | {b"event": b"{"},
        FIELDS | {b"received_at": b"soon"},
        FIELDS | {b"source": b"\xff"},
    ],
    ids=["nothing", "foreign", "another order", "more", "no event", "no time", "no text"],
)
def test_one_that_is_not_as_the_collector_writes_it_sends_the_reader_to_each(odd: dict[bytes, bytes]) -> None:
    flats = [[part for pair in fields.items() for part in pair] for fields in (FIELDS, odd)]
    with pytest.raises((msgspec.DecodeError, KeyError, ValueError)):
        decode_entries(flats)
