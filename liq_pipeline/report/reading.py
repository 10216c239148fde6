"""Reading a report's numbers back, as anybody can: ``<data data-name="events" value="1234">1,234</data>``."""

from __future__ import annotations

from html.parser import HTMLParser


def numbers(page: str) -> dict[str, str]:
    """By name the exact values of a page; empty for what is no report."""
    parser = _Numbers()
    parser.feed(page)
    parser.close()
    return parser.found


class _Numbers(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("data-name")
        if tag == "data" and name is not None:
            self.found[name] = given.get("value") or ""
