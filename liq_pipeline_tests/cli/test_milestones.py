"""What `liq up` tells while it runs: each thing once."""

from __future__ import annotations

import redis

from liq_pipeline import streams
from liq_pipeline.cli.milestones import Milestones


def test_feeds_and_the_live_view_are_told_once_and_a_database_that_is_away_is_waited_for(redis_url: str) -> None:
    told: list[str] = []
    milestones = Milestones("postgresql://nobody@127.0.0.1:1/none", redis_url, told.append)
    with redis.Redis.from_url(redis_url) as client:
        milestones.look()
        client.hset(streams.feed_key("okx"), "events", "3")
        client.hset("liq:live", mapping={"state": "live", "watermark": ""})
        client.set(streams.lease_key(streams.LIVE), "somebody")
        milestones.look()
        client.hset("liq:live", "watermark", "1765368000000")
        milestones.look()
        milestones.look()
    assert told == ["okx: 3 liquidations landed", "live view: the last hour is in Redis"]
