from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline_tests.detection.columns import found, params
from liq_pipeline_tests.detection.incremental import Detectors
from liq_pipeline_tests.detection.markets import markets


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_after_every_event_the_chains_are_what_batch_finds(data: st.DataObject) -> None:
    window_ms = data.draw(st.sampled_from([1, 2, 8, 1_000, 60_000]))
    least = data.draw(st.integers(1, 6))
    usd = Decimal(data.draw(st.sampled_from(["0", "0.000001", "25000", "50000", "100000", "75004"])))
    usual = params(window_ms, least, usd)
    events = data.draw(st.permutations(data.draw(markets(window_ms))))
    detectors = Detectors(usual)

    for count, event in enumerate(events, 1):
        detectors.add([event])
        assert detectors.cascades == found(events[:count], usual).cascades
