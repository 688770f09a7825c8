"""Watches are killed in mid-tick and in mid-move, and fed by those who write slowly."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.storage import Bucket, source_bucket
from common.warehouse import Warehouse
from extract.declaration import read_sources
from extract.drops import Drops
from extract.load import WORK
from tests.forkserver import Repeated
from tests.leftovers import unpublished

from .conftest import KILLS

Query = Callable[[str], list[tuple[Any, ...]]]

# What is killed here does many small things: a few kills hit all of them.
STEP_KILLS = max(5, KILLS // 3)
DROP_KILLS = max(3, KILLS // 10)


@pytest.fixture
def chance() -> random.Random:
    """Decides what happens; a test that fails prints how to have the same again."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))  # noqa: S311
    print(f"SEED={seed}")
    return random.Random(seed)  # noqa: S311


def assert_no_load_is_open(query: Query, source: str) -> None:
    """No load that is not over, and none of its rows."""
    assert query(unpublished(source)) == []
    assert query("select count(*) from audit.loads where status = 'running'") == [(0,)]
    assert query("select count(*) from audit.files where status = 'running'") == [(0,)]


def assert_no_folder_is_left(source: str) -> None:
    """None of processes that are gone; the next one with something to do removes them."""
    folders = WORK.glob(f"{source}.*")
    assert [each for each in folders if not psutil.pid_exists(int(each.suffix[1:]))] == []


def test_steps_that_are_killed_take_every_record_once(
    tmp_path: Path,
    warehouse: Warehouse,
    fork: Callable[..., Repeated],
    query: Query,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CENSUS_BUCKET_URL", str(tmp_path))
    (feed,) = read_sources()["census"].feeds
    forks = fork("steps", "census", "12")
    killed = rounds = 0
    usual = 0.0
    while killed < STEP_KILLS:
        # The first round tells how long all of them take.
        rounds += 1
        query_all = "select age, _source_file, _source_row from raw_census.adult order by 2, 3"
        expected = []
        for file, count in zip(feed.files, (90, 41), strict=True):
            lines = [f"{rounds}/{row}" for row in range(1, count + 1)]
            expected += [(age, file, row) for row, age in enumerate(lines, start=1)]
            (tmp_path / file).write_text(
                "|comment\n" + "\n".join(age + ", x" * (len(feed.columns) - 1) for age in lines)
            )
        code: int | None = None
        started = time.monotonic()
        while code != 0:
            code = forks.run(chance.uniform(0, 0.5 * usual) if usual else None)
            assert code in (0, -signal.SIGKILL)
            killed += code != 0
            if query("select to_regclass('raw_census.adult')") != [(None,)]:
                shown = query(query_all)
                assert shown == expected[: len(shown)]
        assert shown == expected
        assert query(
            """
            select sum(row_count), count(*) filter (where is_complete)
            from audit.files where is_current
            """
        ) == [(len(expected), 2)]
        assert_no_load_is_open(query, "census")
        assert_no_folder_is_left("census")
        usual = usual or time.monotonic() - started
        # Other bytes: from the beginning.
        drop_all(warehouse, "raw_census, raw_census_files, audit")
    assert forks.run(None) == 0


def drop_all(warehouse: Warehouse, schemas: str) -> None:
    connection = warehouse.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute(f"drop schema {schemas} cascade")
    connection.close()


@pytest.fixture(params=["folder", "s3"])
def bucket(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Bucket:
    folder = tmp_path / "drops"
    folder.mkdir()
    url = str(folder) if request.param == "folder" else s3_bucket(folder)
    monkeypatch.setenv("CONDOMINIUM_BUCKET_URL", url)
    return source_bucket("condominium")


def contents(bucket: Bucket, path: Path) -> dict[str, str]:
    """What lies where, but for the reasons beside bad files."""
    found = {}
    for item in bucket.objects():
        if not item.key.endswith(".txt"):
            bucket.download(item, path)
            found[item.key] = path.read_text()
    return found


@pytest.mark.parametrize(
    "bucket", ["folder", pytest.param("s3", marks=pytest.mark.nightly)], indirect=True
)
def test_drops_whose_watch_is_killed_are_loaded_once_and_lie_in_one_place(
    bucket: Bucket,
    tmp_path: Path,
    fork: Callable[..., Repeated],
    query: Query,
    chance: random.Random,
) -> None:
    feeds = read_sources()["condominium"].feeds
    forks = fork("drops", "condominium")
    usual = 0.0
    killed = rounds = 0
    disturbed = False
    while disturbed or killed < DROP_KILLS:
        # The first round tells how long one takes, the last one tidies up behind those before it.
        disturbed = rounds > 0 and killed < DROP_KILLS
        rounds += 1
        dropped = []
        for feed in feeds:
            rows = [",".join(f"{rounds} {row}" for _ in feed.columns) for row in range(9)]
            dropped.append("\n".join([",".join(feed.columns), *rows]))
            bucket.put(feed.files[0].replace("*", ""), dropped[-1].encode())
        dropped.append(f"bad {rounds}")
        bucket.put("moradores bad.csv", dropped[-1].encode())
        started = time.monotonic()
        code: int | None = None
        while code != 0:
            code = forks.run(chance.uniform(0, 0.7 * usual) if disturbed else None)
            assert code in (0, -signal.SIGKILL)
            killed += code != 0
            # At most one is in two places: on its way from one to the other.
            there = list(contents(bucket, tmp_path / "copy").values())
            assert set(there) == set(dropped)
            assert len(there) <= len(dropped) + 1
        usual = usual or time.monotonic() - started
        found = contents(bucket, tmp_path / "copy")
        assert sorted(found.values()) == sorted(dropped)
        for key, text in found.items():
            assert key.startswith("error/" if text.startswith("bad") else "processed/")
        for feed in feeds:
            first = query(f"select {feed.columns[0]} from raw_condominium.{feed.name} order by 1")
            assert first == [(f"{rounds} {row}",) for row in range(9)]
        assert query("select count(*) from audit.files where is_current") == [(len(feeds),)]
        assert_no_load_is_open(query, "condominium")
        for item in list(bucket.objects()):
            bucket.delete(item.key)
    assert_no_folder_is_left("condominium")


def test_what_slow_writers_drop_is_there_in_the_end(
    tmp_path: Path,
    warehouse: Warehouse,
    query: Query,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They hold files open for longer than those take to settle, and cut them anywhere."""
    folder = tmp_path / "drops"
    folder.mkdir()
    monkeypatch.setenv("CONDOMINIUM_BUCKET_URL", str(folder))
    source = read_sources()["condominium"]
    texts = {
        feed.files[0].replace("*", ""): "\n".join(
            [
                ",".join(feed.columns),
                *(",".join(str(row) for _ in feed.columns) for row in range(9)),
            ]
        )
        for feed in source.feeds
    }

    moved = {name: threading.Event() for name in texts}

    def write(name: str, pauses: list[float]) -> None:
        text = texts[name]
        with (folder / name).open("w") as file:
            for number, pause in enumerate(pauses):
                size = len(text) // len(pauses) + 1
                file.write(text[number * size : (number + 1) * size])
                file.flush()
                time.sleep(pause)
                if number == len(pauses) // 2:
                    assert moved[name].wait(60), f"{name} was not moved too early"

    writers = []
    for name in texts:
        pauses = [chance.choice((0.0, 0.2)) for _ in range(8)]
        writers.append(threading.Thread(target=write, args=(name, pauses)))
    drops = Drops(source, warehouse, 0.05)
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        for drop in drops.poll():
            if drop.moved_to:
                moved[drop.key].set()
        time.sleep(0.03)
    for _ in range(4):
        drops.poll()
        time.sleep(0.05)
    assert all(each.is_set() for each in moved.values())
    found = contents(source_bucket("condominium"), tmp_path / "copy")
    assert sorted(found.values()) == sorted(texts.values())
    assert {key.split("/")[0] for key in found} == {"processed"}
    assert not list((folder / "error").glob("*"))
    for feed in source.feeds:
        rows = query(f"select {feed.columns[0]} from raw_condominium.{feed.name} order by 1")
        assert rows == [(str(row),) for row in range(9)]
