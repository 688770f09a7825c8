"""The diagrams in docs/ are those of the model as it is."""

from pathlib import Path
from typing import Protocol

import pytest

from tests.diagrams import ERD, LINEAGE, PAGE, diagrams


class Built(Protocol):
    """A warehouse after `dbt build`, whose artifacts lie in a folder."""

    target_path: Path


@pytest.mark.warehouse
def test_the_diagrams_are_not_stale(root: Path, built_template: Built) -> None:
    drawn = diagrams(built_template.target_path / "manifest.json")
    stale = [name for name, content in drawn.items() if (root / name).read_text() != content]
    assert stale == [], "run `make erd`"
    # What is drawn is there: a relation of each domain, and a table of each layer.
    relations = ("FACT_SALES", "FACT_CENSUS_RESPONSE", "FACT_TRANSACTION", "DIM_BREWERY")
    assert [name for name in relations if f'"{name}" }}|--|| ' not in drawn[PAGE]] == []
    assert ">fact_sales<" in drawn[ERD]
    tables = ("adult", "stg_census__adult", "int_breweries_cleaned", "fact_transaction", "fact_run")
    assert [name for name in tables if f">{name}<" not in drawn[LINEAGE]] == []


def test_the_diagrams_are_shown(root: Path) -> None:
    overview = (root / "models" / "overview.md").read_text()
    readme = (root / "README.md").read_text()
    assert [name for name in (ERD, LINEAGE) if f"]({name})" not in readme] == []
    assert [name for name in (ERD, LINEAGE) if f"]({name})" not in overview] == []
    assert f"]({PAGE})" in readme
