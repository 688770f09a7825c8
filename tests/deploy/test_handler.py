"""The function: what it loads, which messages it returns to the queue, and when it stops."""

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from common.warehouse import Warehouse
from local.sample import generate
from tests.deploy.conftest import Invoked, digest, failures, message

Invoke = Callable[..., Invoked]
Query = Callable[[str], list[tuple[Any, ...]]]
PERSON = "adventure_works/person/Person.Person.csv"
CENSUS = "census/Adult.data"
MAX_SECONDS = 20
MAX_MB = 256


def landing(url: str) -> str:
    return url.removeprefix("s3://")


def test_six_files_of_original_size_take_20_s_and_256_mb_at_most(
    tmp_path: Path,
    task_root: Path,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    query: Query,
    capsys: pytest.CaptureFixture[str],
) -> None:
    generate(1, tmp_path / "sample")
    for other in ("census", "condominium", "breweries"):
        shutil.rmtree(tmp_path / "sample" / other)
    files = [path for path in (tmp_path / "sample").rglob("*") if path.is_file()]
    url = s3_bucket(tmp_path / "sample")
    before = digest(task_root)
    keys = [path.relative_to(tmp_path / "sample").as_posix() for path in files]
    messages = [message(key, landing(url), key) for key in reversed(keys)]
    done = invoke({"Records": messages}, BUCKET_URL=url, DATABASE_SECRET_ARN=secret)
    with capsys.disabled():
        print(
            f"\n  {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB: "
            f"{done.answers[0]['seconds']:.1f} s, {done.cpu_seconds:.1f} s of the processor with "
            f"the start, {done.peak_mb:.0f} MB at most"
        )
    assert len(files) == 6
    assert done.answers[0]["answer"] == failures()
    assert query("select count(*), sum(row_count) from audit.loads where status = 'complete'") == [
        (1, 193_616)
    ]
    assert done.answers[0]["seconds"] <= MAX_SECONDS
    assert done.peak_mb <= MAX_MB
    assert done.strangers == []
    assert digest(task_root) == before


def test_duplicates_and_reordered_events_load_nothing_twice(
    small_bucket: Path,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    query: Query,
) -> None:
    url = s3_bucket(small_bucket)
    events = [{"Records": [message(name, landing(url), PERSON)]} for name in "ab"]
    done = invoke(*events, *reversed(events), BUCKET_URL=url, DATABASE_SECRET_ARN=secret)
    assert [answer["answer"] for answer in done.answers] == [failures()] * 4
    assert query("select count(*) from audit.loads") == [(1,)]
    assert [line.get("GoodLoads") for line in done.log] == [1] * 4
    assert [bool(line["LoadedRows"]) for line in done.log] == [True, False, False, False]


def test_messages_that_say_nothing_fail_alone(
    small_bucket: Path,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    query: Query,
) -> None:
    url = s3_bucket(small_bucket)
    bucket = landing(url)
    records = [
        {"messageId": "no JSON", "body": "{"},
        {"messageId": "no S3 event", "body": '{"Records": [{"s3": {}}]}'},
        {"messageId": "a list", "body": "[]"},
        {"messageId": "no records", "body": '{"Records": []}'},
        {"messageId": "S3's test", "body": '{"Service": "Amazon S3", "Event": "s3:TestEvent"}'},
        message("no source", bucket, "unknown/file.csv"),
        message("a prefix of a name", bucket, "census_of_1994/Adult.data"),
        message("another bucket", "other", PERSON),
        message("good", bucket, "census/Adult+of%20us.data"),
    ]
    done = invoke({"Records": records}, BUCKET_URL=url, DATABASE_SECRET_ARN=secret)
    assert done.answers[0]["answer"] == failures(
        "no JSON",
        "no S3 event",
        "a list",
        "no records",
        "no source",
        "a prefix of a name",
        "another bucket",
    )
    assert query("select source, status from audit.loads") == [("census", "complete")]
    assert "census_of_1994/Adult.data: belongs to no source" in done.output


def test_a_broken_file_returns_the_messages_of_its_source_only(
    small_bucket: Path,
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    query: Query,
) -> None:
    shutil.copytree(small_bucket, tmp_path / "bucket")
    (tmp_path / "bucket" / PERSON).write_bytes(b"not;what;was;declared\r\n1;2;3;4\r\n")
    url = s3_bucket(tmp_path / "bucket")
    records = [
        message("person", landing(url), PERSON),
        message("census", landing(url), CENSUS),
        message("both", landing(url), PERSON, CENSUS),
    ]
    done = invoke({"Records": records}, BUCKET_URL=url, DATABASE_SECRET_ARN=secret)
    assert done.answers[0]["answer"] == failures("person", "both")
    assert query("select source, status from audit.loads order by source") == [
        ("adventure_works", "failed"),
        ("census", "complete"),
    ]
    failed = [line for line in done.log if line.get("FailedLoads")]
    assert [(line["source"], PERSON in line["error"]) for line in failed] == [
        ("adventure_works", True)
    ]


def test_a_schedule_loads_all_it_names_and_is_red_if_one_fails(
    small_bucket: Path,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    query: Query,
) -> None:
    url = s3_bucket(small_bucket)
    named: dict[str, Any] = {"sources": ["adventure_works", "census", "condominium"]}
    done = invoke(
        named,
        # An API that does not answer.
        {"sources": []},
        {"sources": ["sales"]},
        {},
        BUCKET_URL=url,
        DATABASE_SECRET_ARN=secret,
        OPEN_BREWERY_URL="http://127.0.0.1:9",
    )
    good, api_is_gone, unknown, empty = done.answers
    assert good["answer"] == {}
    assert api_is_gone["error"].startswith("LoadError: not loaded: open_brewery")
    assert unknown["error"].startswith("ConfigurationError: expected Records")
    assert empty["error"].startswith("ConfigurationError: expected Records")
    assert query("select source from audit.loads where status = 'complete' order by 1") == [
        (name,) for name in named["sources"]
    ]


def test_out_of_time_a_load_stops_cleanly_and_the_next_one_does_it(
    small_bucket: Path,
    warehouse: Warehouse,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    query: Query,
) -> None:
    url = s3_bucket(small_bucket)
    event = {"Records": [message("a", landing(url), PERSON), message("b", landing(url), CENSUS)]}
    said = {"BUCKET_URL": url, "DATABASE_SECRET_ARN": secret}
    assert invoke(event, left=19_000, **said).answers[0]["answer"] == failures("a", "b")
    # Not even a ledger.
    assert query("select to_regnamespace('audit') is null") == [(True,)]

    assert invoke(event, **said).answers[0]["answer"] == failures()
    boto3.client("s3").upload_file(str(small_bucket / CENSUS), landing(url), "census/Adult.test")
    with closing(warehouse.connect()) as reader:
        # A load that waits to publish, until its time is over.
        reader.cursor().execute("lock table raw_census.adult in access share mode")
        done = invoke(event, left=24_000, **said)
    assert done.answers[0]["answer"] == failures("b")
    assert "the function's time is over" in done.output
    assert done.answers[0]["seconds"] < 10
    assert query("select status from audit.loads where source = 'census' order by load_id") == [
        ("complete",),
        ("failed",),
    ]
    assert invoke(event, **said).answers[0]["answer"] == failures()
    assert query(
        "select status from audit.loads where source = 'census' order by load_id desc limit 1"
    ) == [("complete",)]


def test_two_at_once_lose_nothing(
    small_bucket: Path,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    query: Query,
) -> None:
    url = s3_bucket(small_bucket)
    event = {"Records": [message("a", landing(url), PERSON)]}
    done: list[Invoked] = []
    threads = [
        threading.Thread(
            target=lambda: done.append(invoke(event, BUCKET_URL=url, DATABASE_SECRET_ARN=secret))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [each.answers[0]["answer"] for each in done]
    # The second waits 3 s for the first; then its message goes back to the queue.
    assert len(answers) == 2
    assert failures() in answers
    assert query("select count(*) from audit.loads where row_count > 0") == [(1,)]


@pytest.mark.parametrize("text", ["", "[]", '{"username": "warehouse", "pass": "geheim"}'])
def test_a_bad_secret_is_named_and_never_repeated(
    small_bucket: Path,
    s3_bucket: Callable[[Path], str],
    secret: str,
    invoke: Invoke,
    text: str,
) -> None:
    url = s3_bucket(small_bucket)
    boto3.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=text or "geheim")
    event = {"Records": [message("a", landing(url), PERSON)]}
    done = invoke(event, BUCKET_URL=url, DATABASE_SECRET_ARN=secret)
    assert done.answers[0]["answer"] == failures("a")
    assert f"{secret}: expected JSON with username and password" in done.output
    assert "geheim" not in done.output


def test_without_a_secret_or_a_password_that_fits_nothing_is_loaded(
    small_bucket: Path, s3_bucket: Callable[[Path], str], secret: str, invoke: Invoke
) -> None:
    url = s3_bucket(small_bucket)
    event = {"Records": [message("a", landing(url), PERSON)]}
    unset = invoke(event, BUCKET_URL=url)
    gone = invoke(event, BUCKET_URL=url, DATABASE_SECRET_ARN=f"{secret}x")
    wrong = json.dumps({"username": "warehouse", "password": "geheim"})
    boto3.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=wrong)
    refused = invoke(event, BUCKET_URL=url, DATABASE_SECRET_ARN=secret)
    for done, why in (
        (unset, "DATABASE_SECRET_ARN is not set"),
        (gone, "cannot be read"),
        (refused, "password authentication failed"),
    ):
        assert done.answers[0]["answer"] == failures("a")
        assert why in done.output
        assert "geheim" not in done.output
