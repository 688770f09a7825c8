"""The local brewery API answers as the public one does, and its sample has the real set's dirt."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from local.brewery_api import FILE, BreweryApi, read_breweries
from local.sample import generate
from local.sample.breweries import BREWERY_HEADER, brewery_rows

STATES = {"Vlaanderen", "Flanders", "Région wallonne", "Wallonia", "Missouri", "MIssouri"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    generate(0.1, folder)
    return folder


@pytest.fixture(scope="module")
def records(sample: Path) -> list[dict[str, str]]:
    return read_breweries(sample / FILE)


def get(api: BreweryApi, path: str) -> Any:
    with urlopen(f"{api.url}/v1/breweries{path}") as answer:  # noqa: S310 - our own server
        return json.load(answer)


def test_pages_hold_all_records_in_order(records: list[dict[str, str]]) -> None:
    with BreweryApi(records) as api:
        pages = [get(api, f"?page={number}&per_page=500") for number in range(1, 8)]
        assert [len(page) for page in pages] == [200] * 5 + [182, 0]
        assert [record["id"] for page in pages for record in page] == [r["id"] for r in records]
        assert len(get(api, "")) == 50
        assert get(api, "?page=2") == pages[0][50:100]


def test_a_record_has_the_documented_fields(records: list[dict[str, str]]) -> None:
    record = next(r for r in records if r["longitude"] and r["address_1"] and not r["phone"])
    with BreweryApi([record]) as api:
        (found,) = get(api, "?page=1")
    assert isinstance(found["longitude"], float)
    assert found["phone"] is None
    assert (found["state"], found["street"]) == (record["state_province"], record["address_1"])
    assert set(found) == {*record, "state", "street"}


def test_meta_counts_what_the_pages_hold(records: list[dict[str, str]]) -> None:
    with BreweryApi(records) as api:
        meta = get(api, "/meta")
    assert (meta["total"], meta["page"], meta["per_page"]) == (1182, 1, 50)
    assert meta["by_type"] == Counter(record["brewery_type"] for record in records)
    assert meta["by_country"] == Counter(record["country"] for record in records)


def test_the_sample_has_the_dirt_of_the_real_data() -> None:
    lines = (f"{BREWERY_HEADER}\n", *brewery_rows(1))
    records = list(csv.DictReader(line.removesuffix("\n") for line in lines))
    assert {record["state_province"] for record in records} >= STATES
    assert any(record["phone"].endswith(".0") for record in records)
    assert any(record["postal_code"].startswith("0") for record in records)
    swapped = [r for r in records if r["country"] == "Germany" and r["longitude"] > "4"]
    assert any(float(r["longitude"]) > float(r["latitude"]) for r in swapped)
    assert all(any(not record[name] for record in records) for name in ("phone", "longitude"))
    assert len({record["id"] for record in records}) == len(records)
    assert all(re.fullmatch(r"[0-9a-f-]{36}", record["id"]) for record in records)
