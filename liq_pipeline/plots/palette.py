"""Colours that people of any colour vision tell apart, for every picture there is; nothing here draws."""

from __future__ import annotations

from typing import Final

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/).
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
YELLOW: Final = "#F0E442"
GREY: Final = "#999999"
INK: Final = "#333333"
SHADE: Final = "#EEEEEE"
COLOURS: Final = (BLUE, VERMILLION, ORANGE, GREEN, PURPLE, YELLOW)
OF_EXCHANGE: Final = {"binance": ORANGE, "bybit": BLUE, "okx": GREEN}
OF_SIDE: Final = {"LONG": VERMILLION, "SHORT": BLUE}
"""By the side of the position that was liquidated."""
