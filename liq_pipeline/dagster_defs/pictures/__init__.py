"""Pictures of a day in the metadata of its materializations."""

from liq_pipeline.dagster_defs.pictures.attach import attach

__all__ = ["attach"]
