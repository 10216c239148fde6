import pytest

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports.formats import format_named, recognise

FORCE_ORDER = b"BTC,SELL,LIMIT,IOC,1,2,3,FILLED,1,1,1737908829829"


def test_a_format_is_recognised_by_most_of_the_first_lines() -> None:
    assert recognise([b"Hello World BotADA,SELL", FORCE_ORDER, FORCE_ORDER]) == "forceorder_csv"
    assert recognise([b'{"e":"forceOrder"}', b"pong"]) == "frames"


def test_what_no_format_knows_is_not_guessed() -> None:
    assert recognise([b"hello", b"1,2,3"]) is None
    assert recognise([]) is None


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ImportRefusedError,
        match="'parquet' is not a known format; use one of: frames, binance_vision, tardis",
    ):
        format_named("parquet")
