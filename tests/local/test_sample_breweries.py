"""The sample of the breweries: count, bytes and the real set's awkward traits."""

import csv
import hashlib
from pathlib import Path

import pytest

from local.sample import generate

# SHA-256 of the file at scale 0.1: change it together with the generator.
DIGEST = "3ac697f6bbc8f1bd9ec1c2e0e2d8e999188ea77d4d51dab0a54070fa391fbb48"

Row = dict[str, str]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    assert generate(0.1, out)["breweries/breweries.csv"] == 1182
    return out / "breweries" / "breweries.csv"


@pytest.fixture(scope="module")
def rows(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text, strict=True))


def test_the_same_scale_gives_the_same_bytes(file: Path) -> None:
    assert hashlib.sha256(file.read_bytes()).hexdigest() == DIGEST


def test_ids_are_unique_and_none_is_missing(rows: list[Row]) -> None:
    assert len({row["id"] for row in rows}) == len(rows) == 1182


def test_it_has_the_dirt_of_the_real_ones(rows: list[Row]) -> None:
    assert any(row["phone"].endswith(".0") for row in rows)
    assert any(row["postal_code"].startswith("0") for row in rows)
    assert any(row["address_1"] == "" for row in rows)
    assert any(row["longitude"] == "" for row in rows)
    # Coordinates the wrong way round: no latitude is beyond 90 degrees.
    assert any(row["latitude"] and abs(float(row["latitude"])) > 90 for row in rows)
