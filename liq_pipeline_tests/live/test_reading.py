"""Entries of several streams come in the order in which they landed, however much of each is read at a time."""

from __future__ import annotations

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liq_pipeline.collector.resp import RedisAwayError
from liq_pipeline.live import reading
from liq_pipeline.live.reading import Streams

Stored = dict[bytes, list[tuple[int, int]]]


def answer(stored: Stored, streams: Streams, command: bytes) -> list[object] | None:
    """What Redis says to the XREAD in ``command``."""
    parts = command.split(b"\r\n")[2::2]
    asked = parts[parts.index(b"STREAMS") + 1 :]
    keys = asked[: len(asked) // 2]
    found: list[object] = []
    for key in keys:
        after = [each for each in stored.get(key, []) if each > streams.positions[key]]
        if after:
            found.append([key, [[b"%d-%d" % each, [b"a", b"b"]] for each in after[: reading.COUNT]]])
    return found or None


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"x", b"y", b"z"]), st.integers(0, 3)), max_size=60), st.integers(1, 7))
def test_streams_are_merged_by_landing(landings: list[tuple[bytes, int]], count: int) -> None:
    stored: Stored = {}
    moment, expected = 1, []
    for key, pause in landings:
        moment += pause
        expected.append(((moment, len(expected)), key))
        stored.setdefault(key, []).append(expected[-1][0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "COUNT", count)
        streams = Streams()
        streams.follow([b"x", b"y", b"z"])
        read, is_all = [], False
        while not is_all:
            items, is_all = streams.merge(answer(stored, streams, streams.ask(50)))
            assert items or is_all
            read += [(item.id, item.key) for item in items]
    assert read == expected
    assert streams.merge(answer(stored, streams, streams.ask(50))) == ([], True)


def test_an_error_instead_of_entries_means_that_redis_is_away() -> None:
    with pytest.raises(RedisAwayError, match="LOADING"):
        Streams().merge(hiredis.ReplyError("LOADING Redis is loading the dataset in memory"))
