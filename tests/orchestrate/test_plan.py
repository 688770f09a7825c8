"""What a build has reason to build: news, changed code, what is red, what is not there."""

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrate.builds import Build
from orchestrate.project import Project
from orchestrate.run import Extent, _plan

TESTED = {"shop": 7, "census": 4}
LOADS = {("shop", "sale"): 7, ("shop", "person"): 5, ("census", "adult"): 4}
NEW_SALES = {**LOADS, ("shop", "sale"): 9}
GOOD = Build(3, None, "old", TESTED)


def node(name: str, kind: str, *above: str, tags: tuple[str, ...] = ()) -> tuple[str, Any]:
    is_model = kind in ("view", "table", "incremental")
    return name, SimpleNamespace(
        resource_type="model" if is_model else kind,
        config=SimpleNamespace(materialized=kind),
        depends_on_nodes=above,
        tags=tags,
        fqn=["project", name],
        schema="x",
        identifier=name,
        is_ephemeral=False,
    )


PROJECT = Project(
    SimpleNamespace(
        sources={
            f"source.{feed}": SimpleNamespace(source_name=source, name=feed)
            for source, feed in [*LOADS, ("audit", "files")]
        },
        nodes=dict(
            [
                node("regions", "seed"),
                node("stg_shop", "view", "source.sale"),
                node("unique_stg_shop", "test", "stg_shop"),
                node("whole_stg_shop", "test", "stg_shop", tags=("full_run",)),
                node("fact_sale", "incremental", "stg_shop", "regions"),
                node("fact_sale_adds_up", "test", "fact_sale"),
                node("sales_masked", "view", "fact_sale"),
                node("how_many", "analysis", "fact_sale"),
                node("stg_person", "view", "source.person"),
                node("dim_person", "table", "stg_person"),
                node("unique_dim_person", "test", "dim_person"),
                node("sold_to_somebody", "test", "fact_sale", "dim_person"),
                node("stg_census", "view", "source.adult"),
                node("fact_answer", "table", "stg_census"),
                node("unique_fact_answer", "test", "fact_answer"),
                node("not_null_regions", "test", "regions"),
                node("stg_files", "view", "source.files"),
                node("health", "view", "stg_files"),
                node("unique_health", "test", "health"),
            ]
        ),
    )
)
SALES = {"unique_stg_shop", "fact_sale", "fact_sale_adds_up", "sales_masked", "sold_to_somebody"}
SHOP = SALES | {"stg_shop", "whole_stg_shop", "stg_person", "dim_person", "unique_dim_person"}
CENSUS = {"stg_census", "fact_answer", "unique_fact_answer"}
LEDGER = {"stg_files", "health", "unique_health"}
ALL = SHOP | CENSUS | LEDGER | {"regions", "not_null_regions"}


def plan(
    last: Build = GOOD,
    names: tuple[str, ...] = (),
    loads: dict[tuple[str, str], int] = LOADS,
    changed: set[str] | None = None,
    gone: str = "",
    **extent: bool,
) -> Any:
    dbt: Any = SimpleNamespace(project=PROJECT, changed=lambda _: changed or set())
    there = {f"x.{name}" for name in PROJECT.nodes if name != gone}
    return _plan(dbt, Extent(names, **extent), last, loads, there)


def test_with_nothing_new_nothing_is_built() -> None:
    assert plan().wanted == set()


def test_news_are_built_and_tested_as_far_as_they_are_new() -> None:
    made = plan(loads=NEW_SALES)
    # The view on raw shows the news by itself; what dbt may replace takes the view on it along. Of
    # persons there is nothing new, and tests for full runs wait for one.
    assert (made.wanted, made.tested) == (SALES, TESTED)
    assert not made.full_refresh


def test_a_source_that_was_never_built_is_built_whole() -> None:
    made = plan(Build(3, None, "old", {"census": 4}))
    assert made.wanted == SHOP | {"regions", "not_null_regions"}
    assert made.tested == {"census": 4}


def test_what_depends_on_changed_code_is_built_anew_and_tested_whole() -> None:
    made = plan(changed={"fact_sale", "fact_sale_adds_up", "sales_masked", "how_many"})
    assert made.wanted == SALES - {"unique_stg_shop"}
    assert made.tested == {"census": 4}
    assert made.full_refresh


def test_a_test_for_full_runs_runs_when_its_model_changes() -> None:
    assert "whole_stg_shop" in plan(changed={"stg_shop"}).wanted


def test_code_that_changed_out_of_scope_is_not_forgotten() -> None:
    made = plan(names=("census",), changed={"fact_sale"})
    assert made.wanted == set()
    assert made.tested == {"census": 4}, "shop is as if never built"
    assert not made.full_refresh


@pytest.mark.parametrize("loads", [LOADS, NEW_SALES])
def test_what_is_red_is_built_again_and_tested_whole(loads: dict[tuple[str, str], int]) -> None:
    red = {"unique_stg_shop": "Got 1", "fact_sale": "skipped", "sales_masked": "skipped"}
    made = plan(Build(3, None, "old", TESTED, red), loads=loads)
    assert made.wanted == SALES
    assert made.tested == {"census": 4}
    others = plan(Build(3, None, "old", TESTED, red), names=("census",), loads=loads)
    assert others.wanted == set()
    assert others.tested == TESTED


def test_a_relation_that_is_gone_is_built_again_with_its_tests() -> None:
    assert plan(gone="fact_answer").wanted == {"fact_answer", "unique_fact_answer"}
    assert plan(gone="fact_answer", names=("shop",)).wanted == set()


def test_what_says_when_a_source_was_loaded_is_there_whatever_is_chosen() -> None:
    assert plan(gone="health", names=("shop",)).wanted == {"health", "unique_health"}
    assert plan(changed={"health"}, names=("shop",)).wanted == {"health", "unique_health"}
    assert plan(names=("shop",), loads=NEW_SALES).wanted == SALES


def test_a_test_that_warned_looks_at_whole_tables_again() -> None:
    last = Build(
        3, None, "old", TESTED, {}, {"unique_stg_shop": "Got 2", "unique_fact_answer": "1"}
    )
    made = plan(last, loads=NEW_SALES)
    assert (made.again, made.tested) == ({"unique_stg_shop"}, TESTED)
    assert made.wanted >= made.again


def test_a_full_build_is_of_everything_on_whole_tables() -> None:
    made = plan(is_full=True)
    assert (made.wanted, made.tested, made.full_refresh) == (ALL, {}, False)
    assert plan(full_refresh=True).full_refresh
    made = plan(is_full=True, names=("census",))
    assert (made.wanted, made.tested) == (CENSUS | LEDGER, {"shop": 7})


def test_an_incremental_table_is_made_anew_for_any_reason_but_news() -> None:
    assert not plan(loads=NEW_SALES).full_refresh
    # A build of changed code was killed, or failed before it: the rows are still those of before.
    assert plan(Build(3, None, "old", {"census": 4})).full_refresh
    assert plan(Build(3, None, "old", TESTED, {"fact_sale": "skipped"})).full_refresh
    assert not plan(Build(3, None, "old", TESTED, {"unique_fact_answer": "Got 1"})).full_refresh


def test_a_selection_names_just_what_is_wanted() -> None:
    assert PROJECT.selection(SALES) == [
        "source:shop.sale+,resource_type:test",
        "project.fact_sale",
        "project.sales_masked",
    ]
