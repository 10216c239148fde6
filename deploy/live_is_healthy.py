"""Exit code 0 while a live view holds its lease: the health check of the live view's container."""

from __future__ import annotations

import sys

from liq_pipeline.collector import lease
from liq_pipeline.settings import load_settings
from liq_pipeline.streams import LIVE

settings = load_settings()
assert settings.redis_url is not None, "set LIQ_REDIS_URL or LIQ_REDIS_URL_FILE"
sys.exit(not lease.held(settings.redis_url.get_secret_value(), (LIVE,)))
