"""What a feed says of itself."""

from __future__ import annotations

from liq_pipeline.collector.health import LastMinute


def test_the_last_minute_is_the_difference_to_the_sample_of_a_minute_ago() -> None:
    minute = LastMinute()
    assert [minute.of(10 * second, 1_000 * second) for second in (0, 1, 59, 60, 61, 90)] == [0, 10, 590, 600, 600, 890]
    # Samples are rare: the youngest that is a minute old counts.
    assert minute.of(1_000, 200_000) == 100
