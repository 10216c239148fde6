"""Sends what was noted to LIQ_ALERT_URLS. Apart from the noting, so that a channel that hangs delays no other work."""

from datetime import UTC, datetime

import dagster as dg

from liq_pipeline.alerting.delivery import deliver
from liq_pipeline.dagster_defs.resources import Line


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Sends what broke and what healed to every channel of LIQ_ALERT_URLS, grouped. A channel that is down is tried "
        "again by itself; the others do not wait for it."
    ),
)
def alerts(context: dg.SensorEvaluationContext, line: Line) -> dg.SkipReason:
    settings = line.settings()
    if not settings.alert_urls:
        return dg.SkipReason("LIQ_ALERT_URLS is not set")
    refused = deliver(line.servers().database_url, settings, datetime.now(UTC))
    for text in refused:
        context.log.error(text)
    return dg.SkipReason("; ".join(refused) or "all channels are up to date")
