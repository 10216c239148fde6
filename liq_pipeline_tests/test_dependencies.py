"""Which package may import which: dependencies point one way, and only one package knows Dagster."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import liq_pipeline

PACKAGE = Path(liq_pipeline.__file__).parent
BASE = {"liquidation", "errors", "spans", "saying"}
MIDDLE = BASE | {"streams", "settings", "exchanges", "detection", "collector", "warehouse", "imports", "simulate"}
ALLOWED = {
    "errors": set[str](),
    "spans": set(),
    "saying": set(),
    "liquidation": {"errors"},
    "settings": {"errors"},
    "streams": BASE,
    "exchanges": BASE | {"exchanges"},
    "detection": BASE | {"detection"},
    "collector": MIDDLE,
    "warehouse": MIDDLE | {"live"},
    "imports": MIDDLE,
    "archive": MIDDLE | {"archive"},
    "plots": {"plots", "saying"},
    "simulate": MIDDLE,
    "live": MIDDLE | {"live"},
    "alerting": MIDDLE | {"alerting"},
    "doctor": MIDDLE | {"alerting", "doctor", "embedded"},
    "replay": MIDDLE | {"replay"},
    "healing": MIDDLE | {"healing"},
    "embedded": MIDDLE | {"embedded"},
    "top": MIDDLE | {"top", "live", "embedded", "saying", "plots"},
    "queries": MIDDLE | {"queries", "live", "embedded"},
    "report": MIDDLE | {"queries", "plots", "report"},
}
"""Packages not named here, the command line and Dagster's view, may import everything."""

KNOWS_DAGSTER = {"dagster_defs", "definitions"}
AT_THE_TOP = {"cli", "dagster_defs", "definitions"}


def _modules() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        yield path, relative.parts[0].removesuffix(".py")


def _imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _ours(path: Path) -> set[str]:
    parts = (name.split(".") for name in _imported(path) if name.startswith("liq_pipeline."))
    return {part[1] for part in parts if (PACKAGE / part[1]).is_dir() or (PACKAGE / f"{part[1]}.py").is_file()}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    wrong = {
        str(path.relative_to(PACKAGE)): sorted(_ours(path) - ALLOWED[package])
        for path, top in _modules()
        if top == package and _ours(path) - ALLOWED[package]
    }
    assert wrong == {}


def test_every_package_has_its_place() -> None:
    assert {top for _, top in _modules()} - set(ALLOWED) - AT_THE_TOP - {"__init__"} == set()


def test_only_one_package_knows_dagster() -> None:
    knowing = {top for path, top in _modules() for name in _imported(path) if name.split(".")[0] == "dagster"}
    assert knowing <= KNOWS_DAGSTER


MAY_IMPORT = {"cli": AT_THE_TOP, "dagster_defs": {"dagster_defs", "definitions"}, "definitions": {"dagster_defs"}}


def test_nobody_imports_the_command_line_but_itself_and_dagsters_view_but_the_command_line() -> None:
    importing = {
        (str(path.relative_to(PACKAGE)), target)
        for path, top in _modules()
        for target in _ours(path) & AT_THE_TOP - MAY_IMPORT.get(top, set())
    }
    assert importing == set()
