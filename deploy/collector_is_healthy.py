"""Exit code 0 while a collector holds the lease of every feed: the health check of the collector's container."""

from __future__ import annotations

import sys

from liq_pipeline.collector import lease
from liq_pipeline.settings import load_settings

settings = load_settings()
# Only Redis: the collector's container is not given the database.
assert settings.redis_url is not None, "set LIQ_REDIS_URL or LIQ_REDIS_URL_FILE"
sys.exit(not lease.held(settings.redis_url.get_secret_value(), settings.exchanges))
