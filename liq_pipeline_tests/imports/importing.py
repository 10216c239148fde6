"""One file through the import, as tests of one file want it."""

from __future__ import annotations

from typing import Any

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports.landing import import_sources
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.imports.sources import Source


def import_source(source: Source, *how: Any, **options: Any) -> ImportReport:
    """As ``import_sources``, of one file; raises ImportRefusedError if it turns out damaged, too."""
    (report,) = import_sources([source], *how, **options)
    if report.failure:
        raise ImportRefusedError(report.failure)
    return report
