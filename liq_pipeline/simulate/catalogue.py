"""The contracts the simulated venues list: names, steps and multipliers as the real venues have them.

OKX contract values, multiplied contracts and tick sizes are those of the venues' instrument lists of late 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

VENUES: Final = ("binance", "bybit", "okx")


@dataclass(frozen=True)
class Coin:
    """One canonical symbol of the simulated market.

    ``price`` is the anchor in USD per coin, ``volatility`` the standard deviation of log price over an hour,
    ``weight`` the share of background liquidations, ``size`` the median USD of one, ``beta`` how strongly it
    follows the market.
    """

    symbol: str
    price: float
    volatility: float
    weight: float
    size: float
    beta: float


@dataclass(frozen=True)
class Listed:
    """A venue's contract for a coin.

    ``tick`` and ``step`` are in the venue's own units; one unit of price or quantity is ``multiplier`` coins
    (1000PEPEUSDT), and one OKX contract is ``contract_value`` coins. ``places`` are the decimals the venue
    prints for prices.
    """

    venue: str
    name: str
    symbol: str
    tick: Decimal
    step: Decimal
    places: int
    multiplier: int = 1
    contract_value: Decimal = Decimal(1)

    @property
    def coins_per_lot(self) -> Decimal:
        """Coins in one unit of the venue's quantity."""
        return self.multiplier * self.contract_value


COINS: Final = (
    Coin("BTCUSDT", 82_400.0, 0.006, 18, 2200, 1.0),
    Coin("ETHUSDT", 2_720.0, 0.008, 20, 1800, 1.2),
    Coin("SOLUSDT", 141.0, 0.010, 13, 900, 1.4),
    Coin("XRPUSDT", 1.41, 0.009, 9, 700, 1.2),
    Coin("DOGEUSDT", 0.1432, 0.011, 9, 600, 1.5),
    Coin("PEPEUSDT", 0.0000052, 0.015, 8, 500, 1.8),
    Coin("SHIBUSDT", 0.00000871, 0.012, 5, 400, 1.6),
    Coin("ADAUSDT", 0.1915, 0.010, 6, 450, 1.4),
    Coin("LINKUSDT", 12.84, 0.010, 5, 500, 1.4),
    Coin("BTCUSDC", 82_400.0, 0.006, 4, 1500, 1.0),
    Coin("ETHUSDC", 2_720.0, 0.008, 3, 1100, 1.2),
)


def _listed(venue: str, name: str, symbol: str, tick: str, step: str, places: int, **extra: object) -> Listed:
    multiplier, value = extra.get("multiplier", 1), extra.get("value", "1")
    assert isinstance(multiplier, int)
    return Listed(venue, name, symbol, Decimal(tick), Decimal(step), places, multiplier, Decimal(str(value)))


LISTED: Final = (
    _listed("binance", "BTCUSDT", "BTCUSDT", "0.10", "0.001", 2),
    _listed("binance", "ETHUSDT", "ETHUSDT", "0.01", "0.001", 2),
    _listed("binance", "SOLUSDT", "SOLUSDT", "0.0100", "0.01", 4),
    _listed("binance", "XRPUSDT", "XRPUSDT", "0.0001", "0.1", 4),
    _listed("binance", "DOGEUSDT", "DOGEUSDT", "0.00001", "1", 5),
    _listed("binance", "1000PEPEUSDT", "PEPEUSDT", "0.0000001", "1", 7, multiplier=1000),
    _listed("binance", "1000SHIBUSDT", "SHIBUSDT", "0.000001", "1", 6, multiplier=1000),
    _listed("binance", "ADAUSDT", "ADAUSDT", "0.00010", "1", 5),
    _listed("binance", "LINKUSDT", "LINKUSDT", "0.001", "0.01", 3),
    _listed("binance", "BTCUSDC", "BTCUSDC", "0.1", "0.001", 1),
    _listed("binance", "ETHUSDC", "ETHUSDC", "0.01", "0.001", 2),
    _listed("bybit", "BTCUSDT", "BTCUSDT", "0.10", "0.001", 2),
    _listed("bybit", "ETHUSDT", "ETHUSDT", "0.01", "0.01", 2),
    _listed("bybit", "SOLUSDT", "SOLUSDT", "0.010", "0.1", 3),
    _listed("bybit", "XRPUSDT", "XRPUSDT", "0.0001", "0.1", 4),
    _listed("bybit", "DOGEUSDT", "DOGEUSDT", "0.00001", "1", 5),
    _listed("bybit", "1000PEPEUSDT", "PEPEUSDT", "0.0000001", "100", 7, multiplier=1000),
    _listed("bybit", "SHIB1000USDT", "SHIBUSDT", "0.000001", "10", 6, multiplier=1000),
    _listed("bybit", "ADAUSDT", "ADAUSDT", "0.0001", "1", 4),
    _listed("bybit", "LINKUSDT", "LINKUSDT", "0.001", "0.1", 3),
    _listed("bybit", "BTCPERP", "BTCUSDC", "0.10", "0.001", 2),
    _listed("okx", "BTC-USDT-SWAP", "BTCUSDT", "0.1", "0.01", 1, value="0.01"),
    _listed("okx", "ETH-USDT-SWAP", "ETHUSDT", "0.01", "0.01", 2, value="0.1"),
    _listed("okx", "SOL-USDT-SWAP", "SOLUSDT", "0.01", "0.01", 2, value="1"),
    _listed("okx", "XRP-USDT-SWAP", "XRPUSDT", "0.0001", "0.01", 4, value="100"),
    _listed("okx", "DOGE-USDT-SWAP", "DOGEUSDT", "0.00001", "0.01", 5, value="1000"),
    _listed("okx", "PEPE-USDT-SWAP", "PEPEUSDT", "0.000000001", "0.1", 9, value="10000000"),
    _listed("okx", "SHIB-USDT-SWAP", "SHIBUSDT", "0.000000001", "0.1", 9, value="1000000"),
    _listed("okx", "ADA-USDT-SWAP", "ADAUSDT", "0.0001", "0.1", 4, value="100"),
    _listed("okx", "LINK-USDT-SWAP", "LINKUSDT", "0.001", "0.1", 3, value="1"),
    _listed("okx", "BTC-USDC-SWAP", "BTCUSDC", "0.1", "1", 1, value="0.0001"),
)
