"""A wrong sources.yml is refused with the place and, where it is a slip, the right word."""

from pathlib import Path

import pytest

from common.errors import ConfigurationError
from extract.declaration import read_sources

GOOD = """
sources:
  shop:
    description: A shop
    format: {delimiter: "|"}
    feeds:
      items:
        file: items.csv
        columns: [id, name]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sources.yml"


def test_a_declaration_is_read(path: Path) -> None:
    path.write_text(GOOD)
    shop = read_sources(path)["shop"]
    (items,) = shop.feeds
    assert (shop.raw_schema, items.files, items.columns) == (
        "raw_shop",
        ("items.csv",),
        ("id", "name"),
    )
    assert items.format.delimiter == "|"


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("file:", "flie:", r"shop: feeds: items: unknown key 'flie'; did you mean 'file'\?"),
        ("        file: items.csv\n", "", "items: 'file' is missing"),
        ("[id, name]", "[id, id]", "a name is listed twice"),
        ("[id, name]", "id", "columns: Input should be a valid tuple"),
        ("items:", "Items-1:", "snake_case"),
        ('"|"', '"||"', "one character each"),
        ("sources:", "source:", "unknown key 'source'; did you mean 'sources'"),
        ("description: A shop", "description: [", "cannot be read"),
    ],
)
def test_a_slip_is_named(path: Path, good: str, bad: str, message: str) -> None:
    path.write_text(GOOD.replace(good, bad))
    with pytest.raises(ConfigurationError, match=message) as raised:
        read_sources(path)
    assert str(path) in str(raised.value)


def test_a_changed_declaration_is_another_version_of_the_feed(path: Path) -> None:
    path.write_text(GOOD)
    before = read_sources(path)["shop"].feeds[0].digest
    path.write_text(GOOD.replace('"|"', '";"'))
    assert read_sources(path)["shop"].feeds[0].digest != before


API = """
sources:
  shop:
    description: A shop
    api: {url: https://shop.example, page_size: 20}
    feeds:
      items:
        file: v1/items
        key: [id]
        columns: [id, name]
"""


def test_an_api_is_read(path: Path) -> None:
    path.write_text(API)
    shop = read_sources(path)["shop"]
    assert shop.api
    assert (shop.api.url, shop.api.page_size, shop.api.repeats) == ("https://shop.example", 20, ())


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("page_size", "pages", "api: unknown key 'pages'"),
        ("url: https://shop.example, ", "", "api: 'url' is missing"),
        ("20", "none", "api: page_size: Input should be a valid integer"),
        ("        key: [id]\n", "", "items: of an API, it has a key"),
        ("v1/items", "v1/*", "items: of an API, it has a key, and one path as its file"),
    ],
)
def test_a_slip_about_an_api_is_named(path: Path, good: str, bad: str, message: str) -> None:
    path.write_text(API.replace(good, bad))
    with pytest.raises(ConfigurationError, match=message):
        read_sources(path)
