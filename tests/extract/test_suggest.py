"""What is guessed of files that nobody has declared, and what is said against each guess."""

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from common.errors import ConfigurationError, LoadError
from common.progress import Progress
from common.warehouse import Warehouse
from extract.suggest import web
from extract.suggest.feeds import Table, find_place, find_tables
from extract.suggest.form import guess_form

Look = Callable[..., dict[str, Table]]
# Rows enough for a key that has no other claim than to be unique.
MANY = 120


@pytest.fixture
def look(warehouse: Warehouse, tmp_path: Path) -> Look:
    """Writes files into a folder and returns the feeds that they make, by name."""

    def guess(**files: bytes | str) -> dict[str, Table]:
        folder = tmp_path / "files"
        folder.mkdir()
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / name.replace("__", ".")).write_bytes(data)
        bucket, only = find_place(str(folder))
        tables, left_out = find_tables(bucket, only, "shop", warehouse, Progress(enabled=False))
        assert left_out == []
        return {table.name: table for table in tables}

    return guess


def types(table: Table) -> dict[str, str]:
    return {column.raw: column.type for column in table.columns}


def key(table: Table) -> list[str]:
    return [column.raw for column in table.key]


def declared(table: Table) -> dict[str, object]:
    """Returns what of the format is not the default."""
    return table.form.format.model_dump(exclude_defaults=True)


def against(table: Table, name: str) -> str:
    return "; ".join(next(each for each in table.columns if each.raw == name).against)


def test_semicolons_decimal_commas_and_a_byte_order_mark(look: Look) -> None:
    rows = "".join(f"{n};{n},5;2024-01-{n % 28 + 1:02};{n % 2}\r\n" for n in range(MANY))
    (table,) = look(prices__csv=b"\xef\xbb\xbf" + f"Id;Price;Day;IsNew\r\n{rows}".encode()).values()
    assert declared(table) == {"delimiter": ";"}
    assert types(table) == {
        "id": "integer",
        "price": "numeric(19,4)",
        "day": "date",
        "is_new": "boolean",
    }
    assert against(table, "price") == f"{MANY} have a decimal comma"
    assert (key(table), table.rows, table.rejected) == (["id"], MANY, 0)


def test_latin_1_and_cp1252_are_told_by_their_bytes(look: Look) -> None:
    tables = look(
        latin__csv="id,name\n1,José\n2,Zoë\n".encode("latin-1"),
        windows__csv="id,name\n1,“José”\n2,Zoë\n".encode("cp1252"),
        utf8__csv="id,label\n1,José\n",
    )
    assert {name: declared(table) for name, table in tables.items()} == {
        "latin": {"encoding": "latin-1"},
        "windows": {"encoding": "cp1252"},
        "utf8": {},
    }
    assert "by latin-1 it has 'José'" in tables["latin"].form.doubts[0]


@pytest.mark.parametrize("delimiter", ["\t", "|", ";", ","])
def test_a_delimiter_is_what_splits_all_records_alike(look: Look, delimiter: str) -> None:
    rows = [["id", "note", "more"], ["1", "a; b, c", "x"], ["2", "d", "e|f"], ["3", '"', "g\th"]]
    text = "\n".join(delimiter.join('"' + v.replace('"', '""') + '"' for v in row) for row in rows)
    (table,) = look(notes__txt=text).values()
    assert table.form.format.delimiter == delimiter
    assert (types(table)["id"], table.rows, table.rejected) == ("integer", 3, 0)


def test_values_may_hold_line_ends(look: Look) -> None:
    (table,) = look(notes__csv='id,note\n1,"two\nlines"\n2,"one, and\n\nmore"\n').values()
    assert (table.rows, table.rejected, types(table)) == (2, 0, {"id": "integer", "note": "text"})


def test_a_file_without_header(look: Look) -> None:
    (table,) = look(points__csv="7,-1.5,north\n8,2.25,south\n9,0,north\n").values()
    assert declared(table) == {"header": False}
    assert types(table) == {"column_1": "integer", "column_2": "numeric(19,4)", "column_3": "text"}
    assert "columns have no names" in table.form.doubts[0]


def test_a_header_that_the_loader_refuses_is_skipped(look: Look) -> None:
    """As R and pandas write it: the column of row numbers has no name. And a name twice."""
    tables = look(r__csv='"","x"\n"1",2.5\n"2",3.5\n', twice__csv="id,a,a\n1,2,x\n2,3,y\n")
    assert tables["shop"].form.columns == ["column_1", "x"]
    assert declared(tables["shop"]) == {"header": False, "comment": '"","x"'}
    assert tables["twice"].form.columns == ["id", "a", "a_3"]
    assert tables["twice"].rows == tables["shop"].rows == 2
    assert "column 1 of the header has no name" in tables["shop"].form.doubts[0]


@pytest.mark.parametrize("marker", ["NULL", "?", "n/a", "\\N"])
def test_a_null_marker_is_no_value(look: Look, marker: str) -> None:
    rows = f"1,2.5,x\n2,{marker},{marker}\n3,{marker},y\n"
    (table,) = look(items__csv=f"id,price,name\n{rows}").values()
    assert (table.marker, types(table)["price"]) == (marker, "numeric(19,4)")
    price = table.columns[1]
    assert (price.filled, price.cast, price.is_complete, price.against) == (1, 1, False, [])


def test_another_null_marker_is_rejected_and_said(look: Look) -> None:
    rows = "".join(f"{n},{n}\n" for n in range(1000)) + "1000,?\n1001,?\n1002,n/a\n"
    (table,) = look(items__csv=f"id,amount\n{rows}").values()
    assert (table.marker, types(table)["amount"]) == ("?", "integer")
    assert against(table, "amount") == "1 are not integer, such as 'n/a'"


def test_what_only_looks_like_a_number_stays_text(look: Look) -> None:
    (table,) = look(
        items__tsv="id\tcode\tphone\tthousands\tbig\tday\tsize\n"
        "1\t007\t5551234567\t1,203\t12345678901234567890123\t31/12/2024\t5\n"
        "2\t12\t5551234568\t2,400\t2\t01/02/2024\t7\n"
        "3\t13\t5551234569\t31\t3\t02/02/2024\tXL\n"
    ).values()
    assert types(table) == {"id": "integer"} | dict.fromkeys(
        ["code", "phone", "thousands", "big", "day", "size"], "text"
    )
    assert against(table, "code") == "1 begin with 0"
    assert against(table, "phone") == "its name is not that of a number"
    assert against(table, "thousands") == "2 may have a comma for thousands"
    assert against(table, "day") == "3 are dates written in another way"
    assert against(table, "size") == "1 are not numeric, such as 'XL'"


def test_types_are_of_all_values_not_of_the_first(look: Look) -> None:
    rows = "".join(f"{n},{n},2024-05-01 00:00:00\n" for n in range(5000))
    last = "5000,9000000000,2024-05-01 10:30:00\n5001,1,2024-02-30 00:00:00\n"
    (table,) = look(items__csv=f"id,amount,order_date\n{rows}{last}").values()
    assert types(table) == {"id": "integer", "amount": "bigint", "order_date": "timestamp"}
    assert "1 are not timestamp, such as '2024-02-30 00:00:00'" in against(table, "order_date")


def test_a_key_of_two_columns_and_none(look: Look) -> None:
    lines = "".join(f"{n // 3},{n % 3},{n * 1.5}\n" for n in range(MANY))
    same = "".join(f"{n % 10},{n % 5}\n" for n in range(MANY))
    tables = look(
        line__csv=f"order_id,line_number,price\n{lines}", same__csv=f"code,amount\n{same}"
    )
    assert key(tables["line"]) == ["order_id", "line_number"]
    assert key(tables["same"]) == []


def test_a_measure_or_a_name_in_few_rows_is_no_key(look: Look) -> None:
    (table,) = look(people__csv="first,height\nAna,1.70\nBo,1.81\nCy,1.65\n").values()
    assert key(table) == []


def test_files_with_the_same_header_are_parts(look: Look) -> None:
    """Unless they have the same keys: then the newest is the whole table, or they are changes."""
    head, days = "id,day,amount\n", range(1, 13)
    parts = {f"sales-2024-{m:02}__csv": head + f"{m},2024-{m:02}-01,5\n" for m in days}
    exports = {f"stock-{m}__csv": "sku,left\n" + "a1,3\na2,4\n" for m in days}
    changes = {
        f"orders-{m}__csv": f"order_id,total,updated_at\n{m},5,2024-01-01\n{m + 1},6,2024-01-02\n"
        for m in days
    }
    tables = look(**parts, **exports, **changes)
    assert {name: (each.kind, each.patterns, key(each)) for name, each in tables.items()} == {
        "sales": ("parts", ["sales-*.csv"], ["id"]),
        "stock": ("file", ["stock-*.csv"], ["sku"]),
        "orders": ("changes", ["orders-*.csv"], ["order_id"]),
    }
    assert tables["sales"].rows == len(days)
    newest_by = tables["orders"].newest_by
    assert newest_by
    assert (newest_by.raw, newest_by.type) == ("updated_at", "timestamp")


def test_broken_records_are_allowed_for(look: Look) -> None:
    rows = "".join(f"{n},x\n" for n in range(97))
    (table,) = look(items__csv=f"id,name\n{rows}97,x,y,z\n98\n99,a\n").values()
    assert (table.rows, table.rejected, table.max_rejected) == (98, 2, "2%")
    assert "items.csv line 99 4 fields instead of 2" in " ".join(table.form.doubts)


def test_a_file_whose_records_are_mostly_broken_is_left_out(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "good.csv").write_text("id,name\n1,a\n")
    # More than the first records tell.
    rows = "1,a\n" * 1000 + "2,b,c\n" * 1000
    (tmp_path / "bad.csv").write_text(f"id,label\n{rows}")
    bucket, _ = find_place(str(tmp_path))
    tables, left_out = find_tables(bucket, "", "shop", warehouse, Progress(False))
    assert [table.name for table in tables] == ["good"]
    assert left_out[0].startswith("bad.csv: 1,000 of 2,000 records are broken, the first: bad.csv")
    with pytest.raises(LoadError, match=r"has no table: bad\.csv: 1,000 of 2,000"):
        find_tables(bucket, "bad.csv", "shop", warehouse, Progress(False))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n \n", "is empty"),
        (b"\n" * 200, "is empty"),
        (b"\xff\xfe", "is empty"),
        (b"height weight\n170 65.5\n181 80\n", "has columns that spaces separate"),
        (b'"id,name\n1,a\n', "its first line is no record"),
        (b"PK\x03\x04\x14\x00", "looks like a zip file or a workbook"),
        (b"PAR1\x15\x04", "looks like Parquet"),
        (b'[{"id": 1}]', "looks like JSON"),
        (b"<html><body>", "looks like HTML"),
        (b"id,name\n1,\x00\x01\x02\n", "line 2 holds NUL bytes"),
        (b"Report of May\nby Ana\n\n" + b"1,2,3\n" * 20, "is no table: 3 fields by comma"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=message):
        guess_form(path, "file.csv")


def test_a_place_is_a_file_a_folder_or_s3(
    warehouse: Warehouse, tmp_path: Path, s3_bucket: Callable[[Path], str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,x\n1,2\n")
    (tmp_path / "in" / "README.md").write_text("What is here.\n")
    (tmp_path / "in" / "photo.jpg").write_bytes(b"\xff\xd8\x00\x01")
    url = s3_bucket(tmp_path / "in")
    for place in (str(tmp_path / "in"), url):
        tables, left_out = find_tables(*find_place(place), "shop", warehouse, Progress(False))
        assert [table.patterns for table in tables] == [["a.csv"]]
        assert [reason.partition(":")[0] for reason in left_out] == ["README.md", "photo.jpg"]
    for place in (str(tmp_path / "in" / "a.csv"), f"{url}/a.csv"):
        bucket, only = find_place(place)
        assert (bucket.url, only) == (place.removesuffix("/a.csv"), "a.csv")
        assert find_tables(bucket, only, "shop", warehouse, Progress(False))[1] == []
    with pytest.raises(ConfigurationError, match="no such file"):
        find_place("nowhere.csv")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a folder on the web, with a file, and one that breaks off."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "all items.csv").write_text("id,name\n1,a\n")

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/torn.csv":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"id,name\n")
            return None

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_from_the_web_is_kept_in_a_folder(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, silent = tmp_path / "fetched", Progress(False)
    path = web.fetch(f"{site}/all%20items.csv?key=s3cret", folder, silent)
    assert (path, path.read_text()) == (folder / "all items.csv", "id,name\n1,a\n")
    assert web.fetch(f"{site}/all%20items.csv", folder, silent) == path
    path.write_text("mine")
    host = site.removeprefix("http://")
    wrong: dict[str, tuple[type[Exception], str]] = {
        f"{site}/all%20items.csv": (ConfigurationError, "is there already, and another file"),
        f"{site}/none.csv?key=s3cret": (LoadError, r"none\.csv: cannot be fetched: HTTP Error 404"),
        f"{site}/torn.csv": (LoadError, "ended 92 bytes too early"),
        f"{site}/": (ConfigurationError, "without user or password"),
        f"http://me:s3cret@{host}/a.csv": (ConfigurationError, "download the file"),
        "http://127.0.0.1:1/a.csv": (LoadError, "cannot be fetched: .*refused"),
    }
    for url, (kind, message) in wrong.items():
        with pytest.raises(kind, match=message) as error:
            web.fetch(url, folder, silent)
        assert "s3cret" not in str(error.value)
    path.unlink()
    monkeypatch.setattr(web, "MOST_BYTES", 11)
    with pytest.raises(LoadError, match="larger than 11 bytes, the most that is fetched: download"):
        web.fetch(f"{site}/all%20items.csv", folder, silent)
    assert list(folder.iterdir()) == []


def test_the_real_files(warehouse: Warehouse, real_data: Path) -> None:
    """What their authors know of them is found from nothing but the files."""

    def tables(folder: str) -> dict[str, Table]:
        found, _ = find_tables(
            *find_place(str(real_data / folder)), "x", warehouse, Progress(False)
        )
        return {table.name: table for table in found}

    shop = tables("adventure_works")
    assert {name: key(shop[name]) for name in ("person", "product", "special_offer_product")} == {
        "person": ["business_entity_id"],
        "product": ["product_id"],
        "special_offer_product": ["special_offer_id", "product_id"],
    }
    assert types(shop["product"])["list_price"] == "numeric(19,4)"
    assert {table.marker for table in shop.values()} == {"NULL"}
    assert key(tables("breweries")["breweries"]) == ["id"]
    (census,) = tables("census").values()
    assert (census.kind, census.patterns, census.marker) == ("parts", ["Adult.*"], "?")
    assert declared(census) == {"comment": "|", "header": False}
    misfits = sum(column.filled - column.cast for column in census.columns)
    assert (census.rows, census.rejected, misfits) == (48_842, 0, 5)
    condominios = tables("condominium")["condominios"]
    assert declared(condominios) == {"last_column_takes_rest": True}
