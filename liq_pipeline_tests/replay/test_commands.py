import pytest

from liq_pipeline.errors import ReplayError
from liq_pipeline.replay.commands import Command, Pause, Quit, Resume, Seek, Speed, parse


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("pause", Pause()),
        (" Resume ", Resume()),
        ("quit", Quit()),
        ("speed 100", Speed(100)),
        ("speed 0.5x", Speed(0.5)),
        ("speed 0", Speed(0)),
        ("seek 2025-01-26T17:05", Seek(1_737_911_100_000)),
        ("seek 2025-01-26t18:05:00.250+01:00", Seek(1_737_911_100_250)),
        ("seek 2025-01-26", Seek(1_737_849_600_000)),
        ("seek +10m", Seek(600_000, relative=True)),
        ("seek -2d", Seek(-172_800_000, relative=True)),
    ],
)
def test_a_line_is_a_command(text: str, command: Command) -> None:
    assert parse(text) == command
    assert type(parse(text)) is type(command)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "there are: pause"),
        ("pause now", "'pause now' is no command"),
        ("faster", "'faster' is no command"),
        ("seek yesterday", "'yesterday' is not an ISO time"),
        ("seek", "'seek' is no command"),
        ("speed -1", "'-1' is not a speed"),
        ("speed nan", "'nan' is not a speed"),
        ("speed inf", "'inf' is not a speed"),
        ("speed fast", "0 for no waiting"),
    ],
)
def test_what_is_no_command_is_named_with_those_there_are(text: str, named: str) -> None:
    with pytest.raises(ReplayError, match=named.replace("?", r"\?")):
        parse(text)
