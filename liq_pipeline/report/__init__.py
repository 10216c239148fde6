"""The report of a day: one HTML file that needs nothing else, made from the answers of the read API.

The same data and settings make the same bytes: there is no time of making in it, and no address of a server.
"""

from liq_pipeline.report.file import path_of, write
from liq_pipeline.report.gathering import Day, gather
from liq_pipeline.report.page import render
from liq_pipeline.report.reading import numbers
from liq_pipeline.report.totals import headline

__all__ = ["Day", "gather", "headline", "numbers", "path_of", "render", "write"]
