"""The one resource: settings and servers, looked up when a run asks for them.

It has no fields on purpose: what a resource is configured with is stored in the run and shown in the UI, and the URLs
hold passwords.
"""

from __future__ import annotations

import dagster as dg

from liq_pipeline.embedded.servers import Servers, locate
from liq_pipeline.settings import Settings, load_settings


class Line(dg.ConfigurableResource[None]):
    """The pipeline's settings, and where its PostgreSQL and Redis are."""

    def settings(self) -> Settings:
        """LIQ_* of this process; raises SettingsError."""
        return load_settings()

    def servers(self) -> Servers:
        """The configured or the running embedded servers; raises ServerError when there are none."""
        return locate(self.settings())
