"""What a file may look like, and what becomes of it: formats, rejects, drift, hostile names."""

import random
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from common.errors import LoadError
from common.warehouse import Warehouse
from extract.__main__ import describe
from extract.declaration import Source, read_sources
from extract.load import load

Query = Callable[[str], list[tuple[Any, ...]]]
Put = Callable[[str, bytes], None]
Declare = Callable[..., Source]


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Returns a source with one feed, `items`, of these columns, declared as text."""

    def read(columns: str = "[id, name, note]", more: str = "", file: str = "items.csv") -> Source:
        path = tmp_path / "sources.yml"
        path.write_text(
            "sources: {shop: {description: A shop, feeds: {items: "
            f'{{file: "{file}", columns: {columns}{more}}}}}}}}}',
            encoding="utf-8",
        )
        return read_sources(path)["shop"]

    return read


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    monkeypatch.setenv("SHOP_BUCKET_URL", str(bucket))

    def write(file: str, content: bytes) -> None:
        (bucket / file).parent.mkdir(parents=True, exist_ok=True)
        (bucket / file).write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("{}", b'id,name,note\n1,"a, b",\n\n2,"two\nlines",x\n3,c,\n'),
        ("{delimiter: '|'}", b'id|name|note\r\n1|a, b|\r\n\r\n2|"two\nlines"|x\r\n3|c|\r\n'),
        ('{quote: "\'"}', b"id,name,note\n1,'a, b',\n\n2,'two\nlines',x\n3,c,\n"),
        (
            "{encoding: utf-16}",
            'id,name,note\n1,"a, b",\n\n2,"two\nlines",x\n3,c,\n'.encode("utf-16"),
        ),
        ("{header: false}", b'\n1,"a, b",\n2,"two\nlines",x\n3,c,'),
        ("{comment: '#'}", b'# items\nid,name,note\n1,"a, b",\n2,"two\nlines",x\n3,c,\n# end\n'),
    ],
)
def test_formats(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query, form: str, content: bytes
) -> None:
    put("items.csv", content)
    load(declare(more=f", format: {form}"), warehouse)
    assert query("select _source_row, id, name, note from raw_shop.items order by 1") == [
        (1, "1", "a, b", None),
        (2, "2", "two\nlines", "x"),
        (3, "3", "c", None),
    ]
    assert (
        query("select _source_line from raw_shop.items order by 1")[0]
        == ((3,) if b"#" in content else (2,),)[0]
    )


@pytest.mark.parametrize("form", ["{}", "{quote: '%'}"])
def test_files_of_old_macs_are_read_to_their_end(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query, form: str
) -> None:
    """Their lines end with a carriage return alone."""
    put("items.csv", b"id,name,note\r1,a,\r2,b,x\r")
    load(declare(more=f", format: {form}"), warehouse)
    assert query("select _source_line, id, name, note from raw_shop.items order by 1") == [
        (2, "1", "a", None),
        (3, "2", "b", "x"),
    ]


def test_the_last_column_may_take_the_rest(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "name,address\nA,Rua das Palmeiras, 123, Centro\nB,Praça\nC".encode())
    source = declare(
        "[name, address]", ", format: {last_column_takes_rest: true}, max_rejected: 50%"
    )
    load(source, warehouse)
    assert query("select _source_row, name, address from raw_shop.items order by 1") == [
        (1, "A", "Rua das Palmeiras, 123, Centro"),
        (2, "B", "Praça"),
    ]
    assert query("select line_number, content, reason from audit.rejected_rows") == [
        (4, "C", "1 fields instead of 2")
    ]


def test_latin_1_and_a_single_column(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", b"name\nCaf\xe9\n\\.\n\nx\n")
    load(declare("[name]", ", format: {encoding: latin-1}"), warehouse)
    assert query("select _source_line, name from raw_shop.items order by 1") == [
        (2, "Café"),
        (3, "\\."),
        (5, "x"),
    ]


def test_parts_make_one_table_and_of_matches_the_newest_counts(
    tmp_path: Path, declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    declare(file="FILES")
    path = tmp_path / "sources.yml"
    path.write_text(path.read_text().replace('"FILES"', '["one-*.csv", "two.csv"]'))
    source = read_sources(path)["shop"]
    for file in ("one-b", "one-a", "two"):
        put(f"{file}.csv", f"id,name,note\n{file},x,y\n".encode())
    load(source, warehouse)
    ids = "select id, _source_file from raw_shop.items order by 1"
    assert query(ids) == [("one-a", "one-a.csv"), ("two", "two.csv")]
    put("two.csv", b"id,name,note\nTWO,x,y\n")
    load(source, warehouse)
    assert query(ids) == [("TWO", "two.csv"), ("one-a", "one-a.csv")]


@pytest.fixture
def readings(tmp_path: Path, put: Put) -> Source:
    """A source of files that add up, one a month."""
    path = tmp_path / "sources.yml"
    path.write_text(
        "sources: {shop: {description: A shop, feeds: {items: "
        '{parts: "items-*.csv", columns: [id, name, note]}}}}',
        encoding="utf-8",
    )
    return read_sources(path)["shop"]


def month(*ids: str) -> bytes:
    return "".join(["id,name,note\n", *(f"{each},n,m\n" for each in ids)]).encode()


IDS = "select string_agg(id, ' ' order by id) from raw_shop.items"


def test_parts_add_up_and_a_new_version_replaces_its_own(
    readings: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items-01.csv", month("a", "b"))
    put("items-02.csv", month("c"))
    load(readings, warehouse)
    assert query(IDS) == [("a b c",)]
    put("items-03.csv", month("d"))
    result = load(readings, warehouse)
    assert [(file.file, file.rows, file.replaces) for file in result.files] == [
        ("items-01.csv", None, ""),
        ("items-02.csv", None, ""),
        ("items-03.csv", 1, ""),
    ]
    assert query(IDS) == [("a b c d",)]
    put("items-01.csv", month("A", "B"))
    load(readings, warehouse)
    assert query(IDS) == [("A B c d",)]
    put("items-01.csv", month("A"))
    with pytest.raises(LoadError, match=r"items-01\.csv: 1 rows, where 2 were before"):
        load(readings, warehouse)
    load(readings, warehouse, accept_smaller=True)
    assert query(IDS) == [("A c d",)]
    assert query("select distinct id, _source_file from raw_shop.items order by 1") == [
        ("A", "items-01.csv"),
        ("c", "items-02.csv"),
        ("d", "items-03.csv"),
    ]
    assert not load(readings, warehouse).is_news


@pytest.mark.parametrize("together", [True, False])
def test_the_same_bytes_under_another_name_are_one_part(
    readings: Source, put: Put, warehouse: Warehouse, query: Query, together: bool
) -> None:
    put("items-01.csv", month("a", "b"))
    if not together:
        load(readings, warehouse)
    put("items-01 copy.csv", month("a", "b"))
    put("items-02.csv", month("c"))
    load(readings, warehouse)
    assert query(IDS) == [("a b c",)]
    assert not load(readings, warehouse).is_news
    # They are the copy's as much as the original's.
    put("items-01.csv", month("d", "e"))
    load(readings, warehouse)
    assert query(IDS) == [("a b c d e",)]
    assert not load(readings, warehouse).is_news
    put("items-01 copy.csv", month("f", "g"))
    load(readings, warehouse)
    assert query(IDS) == [("c d e f g",)]
    assert not load(readings, warehouse).is_news
    # A new version that another file has already: what is left is to take the former one away.
    put("items-01.csv", month("f", "g"))
    assert load(readings, warehouse).is_news
    assert query(IDS) == [("c f g",)]
    assert query("select count(*) from audit.files where replaced_by_load_id is not null") == [(2,)]
    assert not load(readings, warehouse).is_news


def test_parts_come_and_change_in_any_order(
    readings: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    """Against a model: what shows is what the files hold, those of equal bytes counted once."""
    chance = random.Random(8)  # noqa: S311
    files: dict[str, tuple[str, ...]] = {}
    for _ in range(25):
        for _ in range(chance.randint(1, 2)):
            name = f"items-{chance.randint(1, 3)}.csv"
            files[name] = tuple(chance.choice(["ab", "cd", "ef", "gh"]))
            put(name, month(*files[name]))
        load(readings, warehouse, accept_smaller=True)
        expected = sorted(each for ids in set(files.values()) for each in ids)
        assert query(IDS) == [(" ".join(expected),)], files


def test_what_a_newer_match_replaced_is_told(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    source = declare(file="items-*.csv")
    put("items-01.csv", month("a", "b"))
    assert load(source, warehouse).files[0].replaces == ""
    put("items-02.csv", month("c", "d"))
    result = load(source, warehouse)
    assert [(file.file, file.replaces) for file in result.files] == [
        ("items-02.csv", "items-01.csv")
    ]
    assert any(line.endswith("items-02.csv, in place of items-01.csv") for line in describe(result))
    assert query(IDS) == [("c d",)]
    put("items-02.csv", month("e", "f"))
    assert load(source, warehouse).files[0].replaces == ""


@pytest.mark.parametrize("declared", ["1%", "0.5%", "12.5%"])
def test_shares_are_told_as_they_are_declared(
    declare: Declare, put: Put, warehouse: Warehouse, declared: str
) -> None:
    put("items.csv", month("a", "b", "c") + b"torn\n")
    told = re.escape(f"1 of 4 records are broken, more than {declared} of them (max_rejected")
    with pytest.raises(LoadError, match=told):
        load(declare(more=f", max_rejected: {declared}"), warehouse)
    put("items.csv", month(*"abcdefgh"))
    load(declare(more=f", min_share: {declared}"), warehouse)


BROKEN = [
    (b"7,x", "7,x", "2 fields instead of 3"),
    (b"7,x,y,z", "7,x,y,z", "4 fields instead of 3"),
    (b"7,\xffx,y", "7,\\xffx,y", "is not utf-8 (byte 0xff)"),
    (b"7,a\0b,y", "7,a\\x00b,y", "holds a NUL character (0x00)"),
    (b'7,"x,y', '7,"x,y', "a quote is not closed"),
    (b'7,"x"y,z', '7,"x"y,z', "text follows a closing quote"),
]


@pytest.mark.parametrize(("line", "content", "reason"), BROKEN)
def test_a_broken_line_is_set_aside_and_the_others_load(
    declare: Declare,
    put: Put,
    warehouse: Warehouse,
    query: Query,
    line: bytes,
    content: str,
    reason: str,
) -> None:
    good = [f"{number},n,m".encode() for number in range(200)]
    put("items.csv", b"\n".join([b"id,name,note", *good[:100], line, *good[100:]]) + b"\n")
    result = load(declare(), warehouse)
    assert [(file.rows, file.rejected) for file in result.files] == [(200, 1)]
    assert query("select feed, file, line_number, content, reason from audit.rejected_rows") == [
        ("items", "items.csv", 102, content, reason)
    ]
    assert query("select count(*), max(_source_line) from raw_shop.items") == [(200, 202)]
    assert query("select row_count, rejected_count from audit.files") == [(201, 1)]


def test_too_many_broken_lines_fail_and_can_be_looked_at(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", b"id,name,note\n" + b"1,n,m\n" * 98 + b"broken\n")
    load(declare(more=", max_rejected: 2%"), warehouse)
    put("items.csv", b"id,name,note\n" + b"1,n,m\n" * 97 + b"broken\n" * 3)
    with pytest.raises(LoadError, match=r"items\.csv: 3 of 100 records .* line 99: 1 fields"):
        load(declare(more=", max_rejected: 2%"), warehouse)
    assert query("select count(*) from raw_shop.items") == [(98,)]
    assert query(
        """
        select count(*), max(error) like '%3 of 100%' from audit.rejected_rows
        inner join audit.files using (file_id) where status = 'failed'
        """
    ) == [(3, True)]
    # With a key, none may be.
    put("items.csv", b"id,name,note\n" + b"1,n,m\n" * 500 + b"broken\n")
    with pytest.raises(LoadError, match="1 of 501 records"):
        load(declare(more=", key: [id]"), warehouse)


def test_a_file_that_shrank_is_refused_unless_accepted(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", b"id,name,note\n" + b"1,n,m\n" * 100)
    load(declare(), warehouse)
    put("items.csv", b"id,name,note\n" + b"1,n,m\n" * 80)
    load(declare(), warehouse)
    put("items.csv", b"id,name,note\n" + b"1,n,m\n" * 63)
    with pytest.raises(LoadError, match=r"63 rows, where 80 were before.*--accept-smaller shop"):
        load(declare(), warehouse)
    assert query("select count(*) from raw_shop.items") == [(80,)]
    load(declare(), warehouse, accept_smaller=True)
    assert query("select count(*) from raw_shop.items") == [(63,)]


def test_a_renamed_column_is_reported_as_one_missing_and_one_new(
    declare: Declare, put: Put, warehouse: Warehouse
) -> None:
    put("items.csv", b"id,title,note\n1,x,y\n")
    with pytest.raises(LoadError, match=r"column name is missing .* new in the header: title"):
        load(declare(), warehouse)


def test_an_extra_column_that_goes_again_shows_null(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", b"id,name,extra,note\n1,n,e,m\n")
    load(declare(), warehouse)
    put("items.csv", b"note,id,name\nm,1,n\n")
    load(declare(), warehouse)
    assert query("select id, name, extra, note from raw_shop.items") == [("1", "n", None, "m")]


HOSTILE = ['a"b', "a'b; drop table x;--", "sélect %s {x} \\", "Ö" * 60, "a" * 80]


@pytest.mark.postgres
def test_hostile_column_names_are_only_names(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query
) -> None:
    header = ",".join('"' + name.replace('"', '""') + '"' for name in HOSTILE)
    put("items.csv", f"id,name,note,{header}\n1,n,m,a,b,c,d,e\n".encode())
    result = load(declare(), warehouse)
    assert result.files[0].new_columns == tuple(HOSTILE)
    columns = [*result_columns(query), "id", "name", "note"]
    row = query(f"select {', '.join(columns)} from raw_shop.items")[0]
    assert row == ("a", "b", "c", "d", "e", "1", "n", "m")


def result_columns(query: Query) -> list[str]:
    """Returns the columns that are neither declared nor lineage, quoted, in their order."""
    rows = query(
        """
        select quote_ident(attname) from pg_attribute
        where attrelid = 'raw_shop.items'::regclass and attnum > 3 and left(attname, 1) <> '_'
        order by attnum
        """
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_load_id", "kept for lineage"),
        ("_Source_Line", "kept for lineage"),
        ("_is_change", "kept for lineage"),
        ("_dlt_load_id", "kept for lineage"),
        ("ctid", "PostgreSQL keeps for itself"),
        ("xmin", "PostgreSQL keeps for itself"),
    ],
)
def test_a_column_that_would_pass_for_lineage_is_refused_by_file_and_name(
    declare: Declare, put: Put, warehouse: Warehouse, query: Query, name: str, reason: str
) -> None:
    """On the first load, and on a later one, where its values would pass for ours."""
    bad = f"id,name,note,{name}\n1,n,m,x\n".encode()
    put("items.csv", bad)
    with pytest.raises(LoadError, match=rf"items\.csv: column {name} .*{reason}"):
        load(declare(), warehouse)
    put("items.csv", b"id,name,note\n1,n,m\n")
    load(declare(), warehouse)
    put("items.csv", bad)
    with pytest.raises(LoadError, match=rf"items\.csv: column {name} .*{reason}"):
        load(declare(), warehouse)
    assert query("select _source_line from raw_shop.items") == [(2,)]


@pytest.mark.parametrize(
    "file", ["a'b; drop schema audit;--.csv", 'q"uote %s {}.csv', "ünï 😀.csv", "..csv"]
)
def test_hostile_file_names_are_only_names(
    tmp_path: Path, declare: Declare, put: Put, warehouse: Warehouse, query: Query, file: str
) -> None:
    put(f"drop/{file}", b"id,name,note\n1,n,m\nbroken\n")
    load(declare(file="drop/*.csv", more=", max_rejected: 50%"), warehouse)
    assert query("select _source_file from raw_shop.items") == [(f"drop/{file}",)]
    assert query("select file from audit.rejected_rows") == [(f"drop/{file}",)]


def test_nothing_outside_the_bucket_is_read(
    tmp_path: Path, declare: Declare, put: Put, warehouse: Warehouse
) -> None:
    put("items.csv", b"id,name,note\n1,n,m\n")
    (tmp_path / "secret.csv").write_bytes(b"id,name,note\n1,secret,m\n")
    with pytest.raises(LoadError, match=r"\.\./secret\.csv not found"):
        load(declare(file="../secret.csv"), warehouse)


@pytest.mark.postgres
def test_a_load_waits_for_readers_and_does_not_keep_others_waiting(
    declare: Declare,
    put: Put,
    warehouse: Warehouse,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("extract.publish.LOCK_ATTEMPTS", 2)
    put("items.csv", b"id,name,note\n1,old,m\n")
    load(declare(), warehouse)
    put("items.csv", b"id,name,note\n1,new,m\n")
    with closing(warehouse.connect()) as reader, reader.cursor() as cursor:
        cursor.execute("select name from raw_shop.items")
        with pytest.raises(LoadError, match="the tables in raw_shop were in use for 2 s"):
            load(declare(), warehouse)
        assert query("select name from raw_shop.items") == [("old",)]
    load(declare(), warehouse)
    assert query("select name from raw_shop.items") == [("new",)]


@pytest.mark.postgres
def test_autovacuum_waits_until_a_file_is_attached(
    declare: Declare,
    put: Put,
    warehouse: Warehouse,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It would hold the table for as long as it looks at it, and the load would wait.
    options = "select reloptions from pg_class where relname ~ '^items_[0-9]+$'"
    seen = []

    def lock(*_: object) -> None:
        seen.extend(query(options))

    monkeypatch.setattr("extract.publish._lock", lock)
    put("items.csv", b"id,name,note\n1,n,m\n")
    load(declare(), warehouse)
    assert seen == [(["autovacuum_enabled=false"],)]
    assert query(options) == [(None,)]


def test_an_older_ledger_is_told_from_ours(
    declare: Declare, put: Put, warehouse: Warehouse
) -> None:
    put("items.csv", b"id,name,note\n1,n,m\n")
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("create schema audit; create table audit.files (file_id bigint)")
    with pytest.raises(LoadError, match="an older version of this project: drop the schemas"):
        load(declare(), warehouse)
