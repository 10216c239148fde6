"""Asset checks: what must hold of a day, each with what to do when it does not."""

from liq_pipeline.dagster_defs.checks.definitions import checks

__all__ = ["checks"]
