"""``liq alert test`` with real channels."""

from __future__ import annotations

from pathlib import Path

import pytest

from liq_pipeline_tests.cli.running import in_process
from liq_pipeline_tests.fakes.channels import mail_server, webhook


def test_it_says_which_channels_accept_and_fails_if_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook() as hook, webhook() as broken, mail_server() as (mail, mails):
        broken.status = 500
        for urls, code in ((f"{hook.url},{mail}", 0), (f"{hook.url},{broken.url} s3cret", 1)):
            liq = in_process(monkeypatch, tmp_path, "alert", "test", LIQ_ALERT_URLS=urls)
            assert liq() == code
        assert [len(hook.received), len(mails)] == [2, 2]
        # Where the UI is, nobody but `liq up` knows if it is not set.
        assert (
            in_process(monkeypatch, tmp_path, "alert", "test", LIQ_ALERT_URLS=hook.url, LIQ_UI_URL="http://ui")() == 0
        )
        said = [message["message"].partition(" UTC.")[2] for message in hook.received]
        assert said == ["", "", " Alerts link to http://ui"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("-")[0] for line in lines] == ["json", "mailto", "json", "json", "json"]
    assert [line.split(": ")[1] for line in lines[:3]] == ["accepted"] * 3
    assert "s3cret" not in lines[3] and "accepted" not in lines[3]


def test_without_channels_it_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_process(monkeypatch, tmp_path, "alert", "test")() == 2
    assert "LIQ_ALERT_URLS is not set: give it Apprise URLs" in capsys.readouterr().err
