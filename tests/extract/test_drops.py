"""Dropped files, in folders and in S3: each is loaded once and lies in one place afterwards."""

import gzip
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from common.errors import ConfigurationError, LoadError
from common.storage import Bucket, FolderBucket, source_bucket
from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.drops import Drop, Drops
from extract.load import load

Query = Callable[[str], list[tuple[Any, ...]]]
Put = Callable[[str, str], object]
Take = Callable[[], dict[str, str | None]]

DECLARATION = """
sources:
  homes:
    description: Homes and who lives there
    drops: true
    feeds:
      houses:
        file: houses*.csv
        columns: [name]
      people:
        file: people*.csv
        columns: [name, house]
        max_rejected: 0
        min_share: 0%
      visits:
        changes: "*visits.csv"
        key: [id]
        newest_by: at
        columns: [id, at]
"""
HOUSES = "name\nred\nblue\n"
PEOPLE = "name,house\nAnna,1\nBo,2\n"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "sources.yml"
    path.write_text(DECLARATION)
    return read_sources(path)["homes"]


@pytest.fixture(params=["folder", "s3"])
def bucket(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Bucket:
    folder = tmp_path / "homes"
    folder.mkdir()
    url = str(folder) if request.param == "folder" else s3_bucket(folder)
    monkeypatch.setenv("HOMES_BUCKET_URL", url)
    return source_bucket("homes")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to which files are written as programs do, not through the bucket."""
    folder = tmp_path / "homes"
    folder.mkdir()
    monkeypatch.setenv("HOMES_BUCKET_URL", str(folder))
    return folder


@pytest.fixture
def drop(bucket: Bucket) -> Put:
    return lambda key, text: bucket.put(key, text.encode())


@pytest.fixture
def take(source: Source, warehouse: Warehouse) -> Take:
    """Polls until what is there came to rest; returns where each file went."""
    drops = Drops(source, warehouse, 0)

    def take() -> dict[str, str | None]:
        return moves([*drops.poll(), *drops.poll()])

    return take


def moves(drops: list[Drop]) -> dict[str, str | None]:
    return {drop.key: drop.moved_to for drop in drops}


def keys(bucket: Bucket) -> list[str]:
    return sorted(item.key for item in bucket.objects())


def text(bucket: Bucket, key: str, path: Path) -> str:
    bucket.download(next(item for item in bucket.objects() if item.key == key), path)
    return path.read_text()


def rows(query: Query, feed: str = "people") -> list[str]:
    return [row[0] for row in query(f"select name from raw_homes.{feed} order by _source_row")]


def processed(query: Query) -> str:
    """Where the one file that is loaded is to lie."""
    ((load_id, file),) = query("select load_id, file from audit.files where is_current")
    return f"processed/{load_id}/{file}"


def test_files_come_in_any_order_and_those_that_are_missing_show_nothing(
    drop: Put, take: Take, bucket: Bucket, query: Query
) -> None:
    drop("people.csv", PEOPLE)
    assert take() == {"people.csv": "processed/1/people.csv"}
    assert rows(query) == ["Anna", "Bo"]
    assert query("select name, _source_row, _load_id from raw_homes.houses") == []
    assert query('select id, "at" from raw_homes.visits') == []
    drop("2025/visits.csv", "id,at\n7,2025-01-01\n")
    drop("houses 2025-01.csv", HOUSES)
    assert take() == {
        "2025/visits.csv": "processed/2/2025/visits.csv",
        "houses 2025-01.csv": "processed/3/houses 2025-01.csv",
    }
    assert rows(query, "houses") == ["red", "blue"]
    assert query("select id, _source_file, _load_id from raw_homes.visits") == [
        ("7", "2025/visits.csv", 2)
    ]
    assert take() == {}
    assert keys(bucket) == [
        "processed/1/people.csv",
        "processed/2/2025/visits.csv",
        "processed/3/houses 2025-01.csv",
    ]


def test_a_bad_file_is_set_aside_with_the_reason_and_the_corrected_one_is_loaded(
    drop: Put, take: Take, bucket: Bucket, query: Query, tmp_path: Path
) -> None:
    drop("houses.csv", HOUSES)
    drop("people.csv", f"{PEOPLE}Cleo\n")
    assert take() == {"houses.csv": "processed/1/houses.csv", "people.csv": "error/people.csv"}
    assert query("select name from raw_homes.people") == []
    reason = text(bucket, "error/people.csv.txt", tmp_path / "reason")
    assert "people.csv: 1 of 3 records are broken" in reason
    assert "line 4: 1 fields instead of 2 ('Cleo')" in reason
    drop("people.csv", f"{PEOPLE}Cleo,2\n")
    assert take() == {"people.csv": "processed/3/people.csv"}
    assert rows(query) == ["Anna", "Bo", "Cleo"]
    assert keys(bucket) == [
        "error/people.csv",
        "error/people.csv.txt",
        "processed/1/houses.csv",
        "processed/3/people.csv",
    ]


def test_a_bad_file_leaves_what_a_good_one_brought(drop: Put, take: Take, query: Query) -> None:
    drop("people.csv", PEOPLE)
    take()
    drop("people.csv", "nom,house\nAnna,1\n")
    assert take() == {"people.csv": "error/people.csv"}
    assert rows(query) == ["Anna", "Bo"]


def test_names_that_are_taken_get_numbers(
    drop: Put, take: Take, bucket: Bucket, tmp_path: Path
) -> None:
    for bad in ("one\n", "two\n", "three\n"):
        drop("people.csv", bad)
        take()
    assert keys(bucket) == sorted(
        f"error/people{number}.csv{end}" for number in ("", ".2", ".3") for end in ("", ".txt")
    )
    assert text(bucket, "error/people.3.csv", tmp_path / "third") == "three\n"


NO_TABLES = {
    "a NUL in the header": (b"na\0me,house\n\0\n", "line 1, the header, holds a NUL"),
    "UTF-16 without a mark": ("name,house\nAnna,1\n".encode("utf-16-le"), "holds a NUL"),
    "UTF-16": ("name,house\nAnna,1\n".encode("utf-16"), "is utf-16"),
    "bytes that are no text": (b"name,house,\xff\nAnna,1,2\n", "is not utf-8 (byte 0xff)"),
    "a compressed file": (gzip.compress(b"name,house\nAnna,1\n", mtime=0), "the header, "),
    "nothing": (b"", "is empty"),
    "a header without an end": (b'name,"house\n' + b"x" * (1 << 21), "the header, a quote"),
    "a column without a name": (b"name,house,\nAnna,1,2\n", "column 3 of the header has no name"),
    "names of signs": (b"name,house,!!!,\xe2\x82\xac\nAnna,1,2,3\n", ""),
    "too many columns": (b"name,house," + b",".join(b"c%d" % n for n in range(1700)), "1702 col"),
    "too wide rows": (
        b"name,house," + b",".join(b"c%d" % n for n in range(900)) + b"\n" + b"x" * 15 + b",1"
        + b",yyyyyyyyyyyyyyyyyyyyyyy" * 900 + b"\n",
        "row is too big",
    ),
    "a NUL in a value": (b"name,house\nAn\0na,1\n", "holds a NUL character (0x00)"),
}  # fmt: skip


@pytest.mark.postgres
@pytest.mark.parametrize("kind", NO_TABLES)
def test_no_content_ends_a_watch(
    folder: Path, source: Source, warehouse: Warehouse, query: Query, kind: str
) -> None:
    content, reason = NO_TABLES[kind]
    (folder / "people bad.csv").write_bytes(content)
    drops = Drops(source, warehouse, 0)
    drops.poll()
    (bad,) = drops.poll()
    if reason:
        assert bad.moved_to == "error/people bad.csv"
        text = (folder / "error" / "people bad.csv.txt").read_text()
        assert "people bad.csv: " in text
        assert reason in text
    assert bad.moved_to
    (folder / "people.csv").write_text(PEOPLE)
    drops.poll()
    assert [each.error for each in drops.poll()] == [None]
    assert rows(query) == ["Anna", "Bo"]
    # Whoever loads all that is there is not stopped by it either.
    assert not load(source, warehouse).is_news


@pytest.mark.postgres
def test_columns_that_pile_up_are_set_aside_in_the_end(folder: Path, take: Take) -> None:
    """Each version may have other columns; raw keeps them all, and PostgreSQL has a limit."""
    moved: list[str | None] = []
    for version in "ab":
        extra = ",".join(f"{version}{number}" for number in range(900))
        (folder / "people.csv").write_text(f"name,house,{extra}\nAnna,1{',' * 900}\n")
        moved += take().values()
    assert moved == ["processed/1/people.csv", "error/people.csv"]
    reason = (folder / "error" / "people.csv.txt").read_text()
    assert "people.csv: tables can have at most 1600 columns" in reason


def test_a_file_that_shrank_is_taken_once_somebody_says_so(
    drop: Put, take: Take, bucket: Bucket, query: Query, source: Source, warehouse: Warehouse,
    tmp_path: Path,
) -> None:  # fmt: skip
    drop("houses.csv", "name\n" + "red\n" * 10)
    take()
    drop("houses.csv", HOUSES)
    assert take() == {"houses.csv": "error/houses.csv"}
    reason = text(bucket, "error/houses.csv.txt", tmp_path / "reason")
    assert "houses.csv: 2 rows, where 10 were before: less than 80% of them" in reason
    assert "move it back and run: python -m orchestrate watch homes --accept-smaller" in reason
    (aside,) = (item for item in bucket.objects() if item.key == "error/houses.csv")
    bucket.move(aside, "houses.csv")
    assert take() == {"houses.csv": "error/houses.csv"}
    (aside,) = (item for item in bucket.objects() if item.key == "error/houses.csv")
    bucket.move(aside, "houses.csv")
    drops = Drops(source, warehouse, 0, accept_smaller=True)
    drops.poll()
    (moved,) = drops.poll()
    assert moved.moved_to
    assert moved.moved_to.startswith("processed/")
    assert rows(query, "houses") == ["red", "blue"]


@pytest.mark.parametrize("again", ["people.csv", "people from Bo.csv"])
def test_the_same_content_is_recognised_and_not_loaded_twice(
    drop: Put, take: Take, bucket: Bucket, query: Query, again: str
) -> None:
    drop("people.csv", PEOPLE)
    take()
    drop(again, PEOPLE)
    moved = take()[again]
    assert moved
    assert moved.startswith("processed/1/")
    assert rows(query) == ["Anna", "Bo"]
    assert query("select count(*) from audit.files where is_current") == [(1,)]
    assert moved in keys(bucket)
    assert again not in keys(bucket)


def test_of_several_files_of_one_feed_the_newest_shows(
    drop: Put, take: Take, source: Source, warehouse: Warehouse, query: Query
) -> None:
    drop("people b.csv", PEOPLE)
    take()
    drop("people a.csv", "name,house\nZoe,1\n")
    take()
    assert rows(query) == ["Zoe"]
    # What was there before the last one is news again.
    drop("people c.csv", PEOPLE)
    assert take() == {"people c.csv": "processed/3/people c.csv"}
    assert rows(query) == ["Anna", "Bo"]
    assert not load(source, warehouse).is_news
    assert rows(query) == ["Anna", "Bo"]


def test_a_load_agrees_with_what_was_taken(
    drop: Put, take: Take, source: Source, warehouse: Warehouse, bucket: Bucket, query: Query
) -> None:
    drop("houses.csv", HOUSES)
    drop("visits.csv", "id,at\n7,2025-01-01\n")
    take()
    drop("more visits.csv", "id,at\n7,2025-01-02\n8,2025-01-01\n")
    # As a feed of `*visits.csv` would match it, were it not set aside.
    drop("bad visits.csv", "no header\n")
    moved = take()
    assert moved["bad visits.csv"] == "error/bad visits.csv"
    before = keys(bucket)
    visits = 'select id, "at", _source_file from raw_homes.visits order by id, "at"'
    shown = query(visits)
    # All change rows, appended; dbt finds the newest of each key.
    assert shown == [
        ("7", "2025-01-01", "visits.csv"),
        ("7", "2025-01-02", "more visits.csv"),
        ("8", "2025-01-01", "more visits.csv"),
    ]
    result = load(source, warehouse)
    assert [(file.file, file.rows) for file in result.files] == [
        ("houses.csv", None),
        ("visits.csv", None),
        ("more visits.csv", None),
    ]
    assert (rows(query, "houses"), query(visits)) == (["red", "blue"], shown)
    # What a load took of a file that is no drop yet is known when it is one.
    drop("people.csv", PEOPLE)
    assert load(source, warehouse).rows == 2
    (last,) = take().values()
    assert last
    assert sorted([*before, last]) == keys(bucket)
    assert rows(query) == ["Anna", "Bo"]


def test_a_load_elsewhere_finds_everything_among_the_processed(
    drop: Put,
    take: Take,
    source: Source,
    new_warehouse: Callable[[], Warehouse],
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
) -> None:
    for name, key in (("Old", "z"), ("New", "a")):
        drop(f"people {key}.csv", f"name,house\n{name},1\n")
        take()
    other = new_warehouse()
    load(source, other)
    assert rows_of(other, "select name, _source_file from raw_homes.people") == [
        ("New", "people a.csv")
    ]
    assert rows_of(other, "select file from audit.files") == [("people a.csv",)]


def test_other_files_stay_and_are_named(
    drop: Put, source: Source, warehouse: Warehouse, bucket: Bucket
) -> None:
    for key in ("people.csv.part", "Houses.csv", "notes/readme.txt"):
        drop(key, PEOPLE)
    drops = Drops(source, warehouse, 0)
    for _ in range(3):
        assert drops.poll() == []
        assert sorted(drops.unknown) == ["Houses.csv", "notes/readme.txt", "people.csv.part"]
    assert len(keys(bucket)) == 3


def test_what_a_console_shows_as_a_folder_is_no_file(
    source: Source,
    warehouse: Warehouse,
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = s3_bucket(tmp_path / "nothing")
    monkeypatch.setenv("HOMES_BUCKET_URL", f"{url}/in")
    for key in ("in/", "in/processed/", "in/people.csv/"):
        boto3.client("s3").put_object(Bucket=url.removeprefix("s3://"), Key=key, Body=b"")
    drops = Drops(source, warehouse, 0)
    assert (drops.poll(), drops.poll(), drops.unknown) == ([], [], [])


def test_a_file_settles_by_the_clock_of_the_watch(
    drop: Put, source: Source, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("extract.drops.time.monotonic", lambda: now)
    drops = Drops(source, warehouse, 5)
    drop("people.csv", PEOPLE)
    for seconds, text, count in (
        (0, None, 0),
        (4, None, 0),
        (0.5, f"{PEOPLE}Cleo,1\n", 0),
        (4.9, None, 0),
        (0.2, None, 1),
    ):
        now += seconds
        if text:
            drop("people.csv", text)
        assert len(drops.poll()) == count, seconds


def test_a_file_from_the_future_or_the_past_is_taken_as_any(
    folder: Path, take: Take, query: Query
) -> None:
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "houses.csv").write_text(HOUSES)
    os.utime(folder / "people.csv", (4e9, 4e9))
    os.utime(folder / "houses.csv", (1, 1))
    assert len(take()) == 2
    assert rows(query) == ["Anna", "Bo"]


def test_a_file_that_grows_is_taken_when_it_is_whole(
    folder: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    drops = Drops(source, warehouse, 0)
    with (folder / "people.csv").open("w") as file:
        for line in PEOPLE.splitlines(keepends=True):
            file.write(line[:3])
            file.flush()
            assert drops.poll() == []
            file.write(line[3:])
            file.flush()
            assert drops.poll() == []
    assert moves(drops.poll()) == {"people.csv": "processed/1/people.csv"}
    assert rows(query) == ["Anna", "Bo"]


@pytest.mark.parametrize("begin", ["name,house\nAnna,1\n", "name,house\nAnna", ""])
def test_what_is_written_to_a_file_that_was_moved_is_not_lost(
    folder: Path, source: Source, warehouse: Warehouse, query: Query, begin: str
) -> None:
    """A pause in writing that is longer than the time to settle."""
    drops = Drops(source, warehouse, 0)
    with (folder / "people.csv").open("w") as file:
        file.write(begin)
        file.flush()
        assert drops.poll() == []
        (moved,) = drops.poll()
        assert moved.moved_to == ("processed/1/" if begin.endswith("1\n") else "error/") + (
            "people.csv"
        )
        file.write(PEOPLE[len(begin) :])
    assert drops.poll() == []
    assert moves(drops.poll()) == {"people.csv": "processed/2/people.csv"}
    assert rows(query) == ["Anna", "Bo"]
    assert keys(FolderBucket(folder)) == ["processed/2/people.csv"]


def test_a_file_that_is_written_to_while_it_is_put_back_is_put_back_later(
    folder: Path,
    source: Source,
    warehouse: Warehouse,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drops = Drops(source, warehouse, 0)
    with (folder / "people.csv").open("w") as file:
        file.write("name,house\n")
        file.flush()
        drops.poll()
        assert drops.poll()[0].moved_to
        move = FolderBucket.move

        def move_late(*arguments: Any) -> Any:
            file.write("Anna,1\n")
            file.flush()
            return move(*arguments)

        file.write("Bo,2\n")
        file.flush()
        with monkeypatch.context() as patch:
            patch.setattr(FolderBucket, "move", move_late)
            assert drops.poll() == []
    for _ in range(3):
        drops.poll()
    assert rows(query) == ["Bo", "Anna"]


def test_a_file_that_changes_while_it_is_taken_is_taken_again(
    drop: Put,
    source: Source,
    warehouse: Warehouse,
    query: Query,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before it is read, and between its load and its move."""
    whole = "name,house\n" + "Anna,1\n" * 3
    kind = type(bucket)
    for number, method in enumerate(("download", "move"), start=1):
        original = getattr(kind, method)
        newer = whole + f"Bo,{number}\n"

        def change_first(*arguments: Any, original: Any = original, newer: str = newer) -> Any:
            drop("people.csv", newer)
            return original(*arguments)

        drops = Drops(source, warehouse, 0)
        drop("people.csv", whole)
        drops.poll()
        with monkeypatch.context() as patch:
            patch.setattr(kind, method, change_first)
            (moved,) = drops.poll()
        assert moved.moved_to is None
        assert moved.error
        assert "changed since" in moved.error
        assert drops.poll() == []
        assert drops.poll()[0].moved_to
        assert rows(query)[-1] == "Bo"
        assert query("select max(house) from raw_homes.people") == [(str(max(1, number)),)]
        assert "people.csv" not in keys(bucket)


def test_a_server_that_is_away_leaves_the_file_where_it_is(
    drop: Put, source: Source, warehouse: Warehouse, bucket: Bucket, query: Query
) -> None:
    away = Warehouse("127.0.0.1", 1, "nobody", "nothing", "")
    drops = Drops(source, away, 0)
    drop("people.csv", PEOPLE)
    drops.poll()
    for _ in range(2):
        (left,) = drops.poll()
        assert left.error
        assert "PostgreSQL at 127.0.0.1:1" in left.error
        assert (left.moved_to, keys(bucket)) == (None, ["people.csv"])
    back = Drops(source, warehouse, 0)
    back.poll()
    back.poll()
    assert keys(bucket) == ["processed/1/people.csv"]
    assert rows(query) == ["Anna", "Bo"]


@pytest.mark.postgres
def test_a_bucket_that_does_not_hand_over_or_take_leaves_the_file_where_it_is(
    drop: Put,
    source: Source,
    warehouse: Warehouse,
    bucket: Bucket,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise LoadError("the bucket is away")

    drops = Drops(source, warehouse, 0)
    drop("people.csv", PEOPLE)
    drop("houses.csv", "no header\n")
    drops.poll()
    for method, loaded in (("download", 0), ("move", 2), ("put", 2)):
        with monkeypatch.context() as patch:
            patch.setattr(type(bucket), method, fail)
            left = drops.poll()
        assert all("the bucket is away" in str(each.error) for each in left if not each.moved_to)
        assert "houses.csv" in {each.key for each in left if not each.moved_to}
        shown = query("select to_regclass('raw_homes.people')") != [(None,)]
        assert (len(rows(query)) if shown else 0) == loaded
    drops.poll()
    assert keys(bucket) == ["error/houses.csv", "error/houses.csv.txt", processed(query)]


def test_a_folder_that_is_away_is_an_error_of_the_poll(
    folder: Path, source: Source, warehouse: Warehouse
) -> None:
    drops = Drops(source, warehouse, 0)
    folder.rename(folder.with_name("away"))
    with pytest.raises(LoadError, match="there is no such folder"):
        drops.poll()
    folder.with_name("away").rename(folder)
    assert drops.poll() == []


def test_a_file_that_is_renamed_while_they_are_listed_is_no_error(
    folder: Path, source: Source, warehouse: Warehouse
) -> None:
    (folder / "gone").symlink_to(folder / "nowhere")
    assert Drops(source, warehouse, 0).poll() == []


@pytest.mark.parametrize("put_in_parts", [False, True])
def test_a_move_in_s3_that_was_interrupted_is_finished(
    source: Source,
    warehouse: Warehouse,
    query: Query,
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
    put_in_parts: bool,
) -> None:
    monkeypatch.setenv("HOMES_BUCKET_URL", s3_bucket(tmp_path / "nothing"))
    bucket: Any = source_bucket("homes")
    large = "name,house\n" + "Anna,1\n" * 1_300_000
    (tmp_path / "large.csv").write_text(large)
    bucket.put("people.csv", tmp_path / "large.csv" if put_in_parts else large.encode())
    bucket.put("houses.csv", b"no header\n")

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    drops = Drops(source, warehouse, 0)
    drops.poll()
    for _ in range(2):
        monkeypatch.setattr(drops._bucket._client, "delete_object", die)  # type: ignore[attr-defined]
        with suppress(KeyboardInterrupt):
            drops.poll()
        drops = Drops(source, warehouse, 0)
        drops.poll()
    assert len(keys(bucket)) > 2
    drops.poll()
    assert keys(bucket) == ["error/houses.csv", "error/houses.csv.txt", processed(query)]
    assert query("select count(*) from raw_homes.people") == [(1_300_000,)]


def test_a_source_without_drops_has_none(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match=r"census: .* declares no landing folder"):
        Drops(read_sources()["census"], warehouse, 0)
