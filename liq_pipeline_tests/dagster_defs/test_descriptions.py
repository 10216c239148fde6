"""What an asset's page says: where a number comes from, and what is not to be compared."""

from __future__ import annotations

import dagster as dg
import pytest

from liq_pipeline.dagster_defs import columns
from liq_pipeline.dagster_defs.descriptions import COMPARES, label
from liq_pipeline.dagster_defs.materialize import materialize_day
from liq_pipeline.definitions import defs
from liq_pipeline_tests.dagster_defs.test_wiring import instance, line
from liq_pipeline_tests.warehouse.making import DAY, NOON, add, entry

__all__ = ["instance", "line"]


@pytest.mark.parametrize("table", sorted(COMPARES))
def test_a_table_with_exchanges_side_by_side_says_that_they_are_not_comparable(table: str) -> None:
    description = defs.get_repository_def().asset_graph.get(dg.AssetKey(table)).description or ""
    assert "not comparable" in description
    assert "Sources: [Binance](https://developers.binance.com/" in description


def test_the_risk_formula_and_where_it_is_defined_are_in_the_column() -> None:
    described = {column.name: column.description for column in columns.tables()["liquidations"].schema.columns}
    assert "0.20 max(0, 1 - 10 sd(price) / mean(price))" in (described["risk_score"] or "")
    assert "liq_pipeline/detection/risk.py" in (described["risk_score"] or "")


@pytest.mark.parametrize(
    ("meanings", "said"),
    [
        ({}, "No events."),
        ({"bybit": "complete"}, "These are comparable."),
        ({"binance": "throttled-1s-largest", "bybit": "complete"}, "These are **not comparable in volume**."),
    ],
)
def test_a_comparison_is_labelled_with_what_each_exchange_publishes(meanings: dict[str, str], said: str) -> None:
    text = str(label(meanings).value)
    assert text.endswith(said)
    assert all(f"| {exchange} | " in text for exchange in meanings)


def test_the_label_says_in_words_what_several_dialects_of_a_day_mean() -> None:
    text = str(label({"binance": "throttled-1s-largest + throttled-1s-largest-lower-bound + new"}).value)
    assert "| at most one per symbol and second, the largest; new | throttled-1s-largest + " in text


def test_a_materialized_comparison_carries_its_label_and_where_its_columns_come_from(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    _, redis_url = line
    bybit = {"exchange": "bybit", "feed_semantics": "complete"}
    add(redis_url, [entry(0, feed_semantics="throttled-1s-largest"), entry(1, NOON, **bybit)])
    assert materialize_day(instance, DAY).success
    event = instance.get_latest_materialization_event(dg.AssetKey("liquidation_exchange_comparison"))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert "| bybit | every liquidation | complete |" in str(metadata["meaning"].value)
    assert "not comparable" in str(metadata["meaning"].value)
    lineage = metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    assert [source.column_name for source in lineage.deps_by_column["total_value_usd"]] == ["value_usd"]
