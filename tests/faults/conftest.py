"""Small buckets of which every row says the version that it is of, and processes to be killed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.warehouse import Warehouse
from extract.declaration import Feed, Source, read_sources
from tests.forkserver import Forkserver, Repeated

ROWS = 300
KILLS = int(os.environ.get("KILLS", "50"))


class Versions:
    """Writes all files of a source in one version; knows how readers see a version that is whole.

    Version 7 has a few rows more than version 6, so that truncated tables are told from whole ones.
    """

    def __init__(self, folder: Path) -> None:
        self.source: Source = read_sources()["adventure_works"]
        self._folder = folder / self.source.name

    def write(self, version: int) -> None:
        """Writes every whole table, and twenty changes, of its first rows and of new ones."""
        for feed in self.source.feeds:
            self._write(feed, feed.files[0], version, 0, self._rows(version))
            if feed.changes:
                file = feed.changes.replace("*", "today")
                self._write(feed, file, version, -10, 10)

    def _rows(self, version: int) -> int:
        return ROWS + version % 10

    def _write(self, feed: Feed, file: str, version: int, first: int, end: int) -> None:
        path = self._folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [feed.format.delimiter.join(feed.columns)]
        for number in range(first, end):
            values = {"rowguid": f"v{version}", "ModifiedDate": f"2014-01-01 00:00:{first + 20}"}
            values |= dict.fromkeys(feed.key, str(number))
            lines.append(feed.format.delimiter.join(values.get(n, "x") for n in feed.columns))
        path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")

    def query(self) -> str:
        """Asks, in one statement, for the versions and the numbers of rows of all feeds."""
        return " union all ".join(
            f"select '{feed.name}', min(rowguid), max(rowguid), count(*) "
            f"from raw_{self.source.name}.{feed.name}"
            for feed in self.source.feeds
        )

    def seen(self, rows: list[tuple[str, str, str, int]]) -> int:
        """Returns the version that those rows are; fails unless all are of one, and whole."""
        versions = {text for _, low, high, _ in rows for text in (low, high)}
        assert len(versions) == 1, f"a mix: {rows}"
        version = int(versions.pop().removeprefix("v"))
        feeds = {feed.name: feed for feed in self.source.feeds}
        for name, _, _, count in rows:
            expected = self._rows(version) + (20 if feeds[name].changes else 0)
            assert count == expected, f"{name} of version {version} has {count} rows: {rows}"
        return version


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    folder = tmp_path / "versions"
    monkeypatch.setenv("BUCKET_URL", str(folder))
    return Versions(folder)


@pytest.fixture
def look(versions: Versions) -> Callable[[list[tuple[str, str, str, int]]], int]:
    return versions.seen


@pytest.fixture
def fork(
    forkserver: Forkserver, warehouse: Warehouse, environment: dict[str, str]
) -> Iterator[Callable[..., Repeated]]:
    """Starts a process that forks others; they see the bucket that is set, and the warehouse."""
    started: list[Repeated] = []

    def start(*arguments: str) -> Repeated:
        set_now = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("AWS_", "DLT_")) or name.endswith("BUCKET_URL")
        }
        env = {**environment, **warehouse.variables(), **set_now}
        program = [str(Path(__file__).with_name("forking_loader.py")), *arguments]
        started.append(Repeated(lambda streams: forkserver.start(program, env, streams)))
        return started[-1]

    yield start
    for each in started:
        each.close()
