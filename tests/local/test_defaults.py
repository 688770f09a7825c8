"""What is unset in the environment is this machine's own; what is set is never touched."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from common.errors import ConfigurationError
from common.warehouse import DEFAULTS, Warehouse, find_warehouse
from extract.declaration import read_sources
from extract.load import load
from local import ROOT, defaults
from local.defaults import MOCK_FILE, local_defaults
from local.postgres import Server
from local.sample import generate

SOURCES = read_sources()
CENSUS, BREWERIES = SOURCES["census"], SOURCES["open_brewery"]


@dataclass(frozen=True)
class NewApi:
    """An API that this package knows nothing of."""

    name: str = "weather"
    api: object = "declared"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's own .local, with nothing in it yet."""
    monkeypatch.setattr(defaults, "STATE", tmp_path / "state")
    monkeypatch.setenv("SCALE", "0.001")
    return tmp_path / "state"


@pytest.fixture
def named(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse that the environment names."""
    for name, value in warehouse.variables().items():
        monkeypatch.setenv(name, value)
    return warehouse


def served() -> int:
    """Returns how many breweries the API has that the environment names."""
    address = f"{os.environ['OPEN_BREWERY_URL']}/v1/breweries/meta"
    with urlopen(address) as answer:  # noqa: S310 - our own server
        total: int = json.load(answer)["total"]
        return total


def test_what_is_unset_is_filled_in_and_taken_back(
    server: Server, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.postgres.this_clone", lambda: server)
    before = dict(os.environ)
    with local_defaults(list(SOURCES.values())):
        assert find_warehouse().variables() == server.start()
        assert os.environ["BUCKET_URL"] == str(state / "bucket")
        assert os.environ["LAKE_URL"] == str(state / "lake")
        assert served() == 12
        assert "127.0.0.1" in os.environ["NO_PROXY"]
    assert dict(os.environ) == before


def test_what_is_set_stays_and_nothing_is_started(
    named: Warehouse, state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BUCKET_URL", str(tmp_path))
    monkeypatch.setenv("OPEN_BREWERY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LAKE_URL", "s3://lake")
    monkeypatch.setenv("LAKEHOUSE_URL", "s3://lakehouse")
    before = dict(os.environ)
    with local_defaults(list(SOURCES.values())):
        assert find_warehouse() == named
        assert dict(os.environ) == before
    assert not state.exists()


@pytest.mark.usefixtures("named")
def test_a_source_with_a_bucket_of_its_own_needs_no_sample(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENSUS_BUCKET_URL", "s3://census")
    with local_defaults([CENSUS]):
        assert "BUCKET_URL" not in os.environ
    assert not state.exists()


def test_a_part_of_the_connection_is_wrong_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "x")
    message = "POSTGRES_PASSWORD set, but not POSTGRES_HOST"
    with pytest.raises(ConfigurationError, match=message), local_defaults():
        pass


@pytest.mark.usefixtures("named")
def test_a_scale_that_is_none_is_wrong_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALE", "abc")
    with (
        pytest.raises(ConfigurationError, match="SCALE: scale must be a number above 0, got abc"),
        local_defaults([CENSUS]),
    ):
        pass


@pytest.mark.usefixtures("named")
def test_it_says_where_each_source_is_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BUCKET_URL", "s3://key:sec/ret@bucket/a")
    with local_defaults([CENSUS, BREWERIES, NewApi()]):
        pass
    census, breweries, weather = capsys.readouterr().out.splitlines()
    assert census == "  census: s3://… (BUCKET_URL)"
    assert breweries.startswith("  open_brewery: mock API that serves ")
    assert breweries.endswith(f"{MOCK_FILE} (OPEN_BREWERY_URL is not set)")
    assert weather == "  weather: address of extract/sources.yml"
    monkeypatch.delenv("BUCKET_URL")
    monkeypatch.setenv("OPEN_BREWERY_URL", "https://api.example?token=secret")
    with local_defaults([CENSUS, BREWERIES]):
        pass
    census, breweries = capsys.readouterr().out.splitlines()
    assert census.startswith("  census: sample in ")
    assert breweries == "  open_brewery: https://api.example (OPEN_BREWERY_URL)"


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("form", ["path", "url"])
def test_the_mock_serves_the_breweries_of_the_bucket_if_it_has_some(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "a bucket"
    count = generate(0.002, bucket)[MOCK_FILE]
    monkeypatch.setenv("BUCKET_URL", str(bucket) if form == "path" else bucket.as_uri())
    with local_defaults([BREWERIES]):
        assert served() == count


@pytest.mark.usefixtures("named")
def test_a_smaller_scale_loads_after_a_larger_one(
    monkeypatch: pytest.MonkeyPatch, query: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    for scale, rows in (("0.01", 489), ("0.001", 49)):
        monkeypatch.setenv("SCALE", scale)
        for source in (CENSUS, BREWERIES):
            with local_defaults([source]):
                load(source, find_warehouse())
        assert query("select count(*) from raw_census.adult") == [(rows,)]


def test_it_costs_a_start_nothing() -> None:
    heavy = ("boto3", "dlt", "dbt", "local.brewery_api", "local.sample", "http.server")
    program = f"import local.defaults, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_without_a_database_none_is_started(state: Path) -> None:
    with local_defaults(database=False):
        assert not [name for name in DEFAULTS if name in os.environ]
    assert not state.exists()
