"""A headless Chromium that opens pages as a person does, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    # Nothing is fetched but the pages asked for.
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-extensions", "--remote-debugging-port=0"),
)


def executable() -> str | None:
    """The Chromium on PATH, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self.complaints: list[str] = []
        """What pages wrote to the console, and errors that nobody caught, since ``watch``."""
        self.requests: list[str] = []
        """The URLs that pages asked for, their own among them, since ``watch``."""

    def watch(self) -> None:
        """From now on, note what pages complain about and ask for."""
        for domain in ("Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str, until: str, seconds: float = 60) -> None:
        """Open a page and wait until it shows the text ``until``."""
        self._call("Page.navigate", url=url)
        self.wait(until, seconds)

    def wait(self, text: str, seconds: float = 60) -> None:
        """Wait until the page shows the text; fails with what it shows instead."""
        deadline = time.monotonic() + seconds
        while text not in (shown := self.text()):
            assert time.monotonic() < deadline, f"{text!r} is not on the page after {seconds:.0f} s: {shown[:3000]}"
            time.sleep(0.1)

    def until(self, expression: str, value: object, seconds: float = 60) -> None:
        """Wait until a JavaScript expression has this value; fails with the last one it had."""
        deadline = time.monotonic() + seconds
        while (found := self.evaluate(expression)) != value:
            assert time.monotonic() < deadline, f"{expression} is {found!r} after {seconds:.0f} s"
            time.sleep(0.1)

    def text(self) -> str:
        """What the page shows, as text."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def click(self, text: str) -> None:
        """Click on the innermost element that says exactly this; the last one where there are several."""
        found = self.evaluate(
            f"(() => {{ const all = [...document.querySelectorAll('*')].filter(one => one.textContent.trim() === "
            f"{json.dumps(text)}); const last = all[all.length - 1]; if (last) last.click(); return !!last; }})()"
        )
        assert found, f"nothing says {text!r} on the page: {self.text()[:3000]}"

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        """Make the page this large."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self, width: int, height: int) -> bytes:
        """A PNG of the page's upper left part."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", clip=clip)["data"])

    def _call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        call = next(self._ids)
        self._connection.send(json.dumps({"id": call, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == call:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self._note(answer.get("method"), answer.get("params", {}))

    def _note(self, event: str | None, about: Mapping[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(str(about["request"]["url"]))
        elif event in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(about))


@contextlib.contextmanager
def chromium() -> Iterator[Page]:
    """A new browser with an empty profile, and one tab. There has to be an ``executable()``."""
    program = executable()
    assert program is not None
    profile = tempfile.mkdtemp(prefix="liq-chromium-")
    command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_tab(Path(profile, "DevToolsActivePort")), max_size=None, proxy=None) as connection:
            page = Page(connection)
            yield page
            page._call("Browser.close")
            process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)


def _tab(port_file: Path, seconds: float = 60) -> str:
    """The DevTools address of the browser's first tab, once it listens."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
            port = int(port_file.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                return next(str(tab["webSocketDebuggerUrl"]) for tab in json.load(answer) if tab["type"] == "page")
        assert time.monotonic() < deadline, f"Chromium did not start within {seconds:.0f} s"
        time.sleep(0.05)
