"""dbt's documentation site, published and read as a browser reads it."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import boto3
import pytest

from common.errors import LoadError
from common.storage import open_bucket
from common.warehouse import Warehouse
from lake.publish import Lake
from lake.site import PAGE, PICTURES, publish_site

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """What `dbt docs generate --static` leaves: the page, a picture, and more."""
    folder = tmp_path / "target"
    (folder / PICTURES).mkdir(parents=True)
    (folder / PAGE).write_text("<html><title>dbt Docs</title></html>")
    (folder / PICTURES / "erd.svg").write_text("<svg/>")
    (folder / "manifest.json").write_text("{}")
    return folder


KEYS = {"docs/index.html", f"docs/{PICTURES}/erd.svg"}


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_the_site_replaces_the_one_before(
    kind: str, target: Path, tmp_path: Path, s3_bucket: Callable[[Path], str]
) -> None:
    url = str(tmp_path / "lake") if kind == "folder" else s3_bucket(tmp_path / "none") + "/a/lake"
    lake = Lake(url)
    others = {"gold/dim/dim.parquet", "docs/readme.txt"}
    for key in others:
        open_bucket(url).put(key, b"")
    assert publish_site(target, lake) == f"{lake.url}/docs/index.html"
    before = {item.key: item.version for item in open_bucket(url).objects()}
    (target / PAGE).write_text("<html>new</html>")
    publish_site(target, lake)
    after = {item.key: item.version for item in open_bucket(url).objects()}
    # And nothing else of the lake is touched.
    assert after.keys() == KEYS | others
    assert after["docs/index.html"] != before["docs/index.html"]
    assert {key: after[key] for key in others} == {key: before[key] for key in others}


def test_a_browser_shows_it(
    target: Path, tmp_path: Path, s3_bucket: Callable[[Path], str], s3: dict[str, str]
) -> None:
    """Over HTTP, as a page and a picture: S3 says what an object is as it was told."""
    url = s3_bucket(tmp_path / "none")
    publish_site(target, Lake(url))
    name = url.removeprefix("s3://")
    boto3.client("s3").put_bucket_acl(Bucket=name, ACL="public-read")
    found = {}
    for key in KEYS:
        signed = boto3.client("s3").generate_presigned_url(
            "get_object", Params={"Bucket": name, "Key": key}
        )
        assert signed.startswith(s3["AWS_ENDPOINT_URL"])
        with urlopen(signed, timeout=30) as answer:  # noqa: S310 - a server of this test
            found[key] = (answer.headers["Content-Type"], answer.read()[:5])
    assert found == {
        "docs/index.html": ("text/html", b"<html"),
        f"docs/{PICTURES}/erd.svg": ("image/svg+xml", b"<svg/"),
    }


def test_a_folder_without_a_site_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="dbt docs generate --static"):
        publish_site(tmp_path, Lake(str(tmp_path / "lake")))
    assert not (tmp_path / "lake").exists()


def test_dbts_own_site_is_published_by_the_command(
    dbt: Callable[..., Path], warehouse: Warehouse, tmp_path: Path, run_module: Run
) -> None:
    """The page and the pictures of models/overview.md; one model compiled, to be quick."""
    generate = ("docs", "generate", "--static", "--select", "dim_date")
    target = dbt(warehouse, "--write-json", *generate)
    lake = tmp_path / "lake"
    done = run_module("lake", "docs", str(target), LAKE_URL=str(lake))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{lake}/docs/index.html" in done.stdout
    page = (lake / "docs" / "index.html").read_text(encoding="utf-8")
    assert "model.elt_warehouse.fact_sales" in page
    for picture in ("erd.svg", "lineage.svg"):
        assert f"({PICTURES}/{picture})" in page
        assert (lake / "docs" / PICTURES / picture).read_text().startswith("<svg")
