"""What is wrong is red everywhere: in the exit code, in `status`, and in one alert."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from common import alerts, runs
from common.alerts import Trouble
from common.errors import LoadError
from common.warehouse import Warehouse
from orchestrate.health import examine
from tests.inbox import Inbox, open_inbox

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """An address for ALERT_URL, and the messages that arrive there."""
    with open_inbox() as inbox:
        yield inbox


def test_a_failure_anywhere_is_red_everywhere_and_told_once(
    run_module: Run,
    warehouse: Warehouse,
    small_bucket: Path,
    tmp_path: Path,
    inbox: Inbox,
    query: Query,
) -> None:
    bucket = tmp_path / "bucket"
    shutil.copytree(small_bucket, bucket)
    url, messages = inbox
    settings = {
        **warehouse.variables(),
        "BUCKET_URL": str(bucket),
        "LAKE_URL": str(tmp_path / "lake"),
        "ALERT_URL": url,
        "TMPDIR": str(tmp_path),
    }

    def call(*arguments: str, **variables: str) -> int:
        done = run_module(*arguments, **{**settings, **variables})
        print(arguments, done.stdout[-500:], done.stderr[-500:])  # shown if an assertion fails
        return done.returncode

    run = ("orchestrate", "run", "census")
    status = ("orchestrate", "status")
    assert call(*run) == 0
    assert call(*status) == 0
    assert messages == []

    data = next((bucket / "census").glob("*.data"))
    good = data.read_bytes()

    @contextmanager
    def broken_file() -> Iterator[dict[str, str]]:
        data.write_bytes(b"1, 2\n" * 50)
        yield {}
        data.write_bytes(good)

    @contextmanager
    def bucket_gone() -> Iterator[dict[str, str]]:
        yield {"BUCKET_URL": str(tmp_path / "nowhere")}

    @contextmanager
    def test_red() -> Iterator[dict[str, str]]:
        execute("insert into raw_census.adult select * from raw_census.adult limit 1")
        yield {}
        execute(
            "delete from raw_census.adult where (tableoid, ctid) in (select tableoid, max(ctid) "
            "from raw_census.adult group by tableoid, _file_id, _source_row having count(*) > 1)"
        )

    @contextmanager
    def server_down() -> Iterator[dict[str, str]]:
        yield {"POSTGRES_PORT": "1"}

    @contextmanager
    def lake_shut() -> Iterator[dict[str, str]]:
        (tmp_path / "file").touch()
        yield {"LAKE_URL": str(tmp_path / "file" / "lake")}

    @contextmanager
    def nothing_new() -> Iterator[dict[str, str]]:
        execute("update audit.files set ended_at = ended_at - interval '400 days'")
        yield {}
        execute("update audit.files set ended_at = ended_at + interval '400 days'")

    @contextmanager
    def watch_killed() -> Iterator[dict[str, str]]:
        # What a kill leaves: a run without an end, and nobody who holds its lock.
        with closing(warehouse.connect()) as connection:
            connection.autocommit = True
            runs._begin(connection, "watch", "condominium")
        yield {}
        with runs.recorded(warehouse, "watch", "condominium"):
            pass

    def execute(sql: str) -> None:
        with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql)

    # What is done wrong, the command that meets it, and what the alert is about.
    test = "test dbt_utils_unique_combination_of_columns_stg_census__adult"
    failures = {
        "a file is broken": (broken_file, run, "load census"),
        "the bucket is gone": (bucket_gone, run, "load census"),
        "a dbt test is red": (test_red, (*run, "--full"), test),
        "the lake cannot be written": (lake_shut, ("lake", "publish", "census"), "publish census"),
        "PostgreSQL is down": (server_down, run, "warehouse"),
        "a source brings nothing new": (nothing_new, status, "stale census"),
        "a watch is killed": (watch_killed, status, "watch condominium"),
    }
    table = []
    for name, (failure, command, about) in failures.items():
        with failure() as variables:
            assert call(*command, **variables) == 1, name
            assert call(*status, **variables) == 1, name
            # Two commands, one message.
            (message,) = messages
            assert about in message["title"], name
            assert f"WRONG: {about}" in message["message"]
            assert "what to do: " in message["message"]
            assert warehouse.password not in json.dumps(message)
        messages.clear()
        assert call(*command) == 0, name
        assert call(*status) == 0, name
        if name == "PostgreSQL is down":
            assert messages == []
        else:
            (message,) = messages
            assert f"OVER: {about}" in message["message"], name
        messages.clear()
        shown = " ".join(("python -m", *command))
        subject = "test NAME" if about == test else about
        table.append(f"| {name} | `{shown}` | 1 | 1 | `{subject}` |")
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "\n".join(table) in page, "\n".join(table)

    recorded = query("select status, count(*) from audit.runs group by status order by status")
    assert dict(recorded).keys() == {"failed", "good", "interrupted"}
    assert (
        query("select status from audit.run_nodes where node = 'load.census' order by recorded_at")
        == [(status,) for status in ("success", "error", "success", "error")] + [("success",)] * 4
    )


def test_what_a_dbt_of_its_own_did_is_recorded(
    run_module: Run, dbt: Callable[..., Path], warehouse: Warehouse, query: Query, tmp_path: Path
) -> None:
    target = dbt(
        warehouse,
        *("--write-json", "build", "--select", "dim_date", "--indirect-selection", "cautious"),
    )
    recorded = run_module("orchestrate", "record", str(target), **warehouse.variables())
    assert (recorded.returncode, recorded.stdout, recorded.stderr) == (0, "", "")
    assert query(
        "select kind, about, status, ended_at - started_at > interval '50 ms' from audit.runs"
    ) == [("build", "", "good", True)]
    assert query("select kind, status, sources from audit.run_nodes where name = 'dim_date'") == [
        ("model", "success", "")
    ]
    shutil.copy(target / "manifest.json", tmp_path)
    (tmp_path / "run_results.json").write_text('{"args": {"which": "compile"}, "results": []}')
    for folder, reason in ((tmp_path, "command compile"), (tmp_path / "no", "No such file")):
        wrong = run_module("orchestrate", "record", str(folder), **warehouse.variables())
        assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
        assert reason in wrong.stderr


def test_a_run_that_was_killed_is_found_interrupted(warehouse: Warehouse, query: Query) -> None:
    connection = warehouse.connect()
    connection.autocommit = True
    killed = runs._begin(connection, "run", "census")
    with runs.recorded(warehouse, "publish", "") as other:
        # While its connection is there, it is running.
        assert query(f"select status from audit.runs where run_id = {killed}") == [("running",)]
    connection.close()
    with runs.recorded(warehouse, "run", "brewery"):
        assert query(f"select status from audit.runs where run_id = {killed}") == [("interrupted",)]
    assert other.run_id > killed
    (trouble,) = examine(warehouse, [], None).troubles
    assert (trouble.key, trouble.reason) == ("run census", "interrupted")
    with runs.recorded(warehouse, "run", ""):
        pass
    assert examine(warehouse, [], None).troubles == ()


def test_what_was_done_stays_recorded_when_a_run_fails(warehouse: Warehouse, query: Query) -> None:
    node = runs.Node("load.shop", "load", "shop", "error", 0.5, None, "broken", "shop")

    def fail() -> None:
        with runs.recorded(warehouse, "load", "shop") as run:
            run.add([node])
            raise LoadError("broken")

    with pytest.raises(LoadError):
        fail()
    assert query("select status, message from audit.runs") == [("failed", "broken")]
    assert query("select node, status, message from audit.run_nodes") == [
        ("load.shop", "error", "broken")
    ]


def test_a_run_that_cannot_be_recorded_goes_on(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    with runs.recorded(replace(warehouse, port=1), "run", "") as run:
        run.add([runs.Node("load.shop", "load", "shop", "success")])
    said = capsys.readouterr().err
    assert said.startswith("warning: this run is not recorded in audit.runs: PostgreSQL at ")
    assert warehouse.password not in said


def test_alerts_come_by_sns_once_an_hour_and_when_it_is_over(
    warehouse: Warehouse,
    s3: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    secret = "wJalrXUtnFEMI"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    monkeypatch.setenv("ALERT_SNS_TOPIC_ARN", topic)

    def tell(*troubles: Trouble) -> list[tuple[str, str]]:
        """Returns the subjects and texts that arrive."""
        alerts.tell(warehouse, lambda: troubles)
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for each in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        bodies = [json.loads(each["Body"]) for each in found]
        return [(body["Subject"], body["Message"]) for body in bodies]

    trouble = Trouble("load shop", f"no ünits, {warehouse.password} {secret}", "mend it")
    other = Trouble("stale shop", "old", "ask")
    ((subject, text),) = tell(trouble)
    assert subject == f"Warehouse {warehouse.database}: load shop"
    assert "reason: no ünits, … …\n" in text
    assert tell(trouble) == []
    ((_, text),) = tell(trouble, other)
    assert "WRONG: stale shop" in text
    assert "load shop" not in text
    monkeypatch.setattr(alerts, "QUIET_SECONDS", 0.0)
    ((_, text),) = tell(trouble, other)
    assert text.count("WRONG") == 2
    monkeypatch.setattr(alerts, "QUIET_SECONDS", 3600.0)
    ((subject, text),) = tell(other)
    assert subject == f"Warehouse {warehouse.database}: load shop: over"
    assert "OVER: load shop, which was wrong since" in text


def test_an_alert_that_cannot_be_sent_is_told_without_its_address_and_tried_again(
    warehouse: Warehouse,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, messages = inbox
    monkeypatch.setenv("ALERT_URL", "json://user:s3cret@127.0.0.1:1/ nonsense")
    trouble = Trouble("load shop", "broken", "mend it")
    alerts.tell(warehouse, lambda: [trouble])
    said = capsys.readouterr().err
    assert said == (
        "warning: an alert could not be sent: address 1 of ALERT_URL (json://…) did not take it\n"
        "warning: an alert could not be sent: address 2 of ALERT_URL (nonsense://…) did not take "
        "it\n"
    )
    monkeypatch.setenv("ALERT_URL", url)
    alerts.tell(warehouse, lambda: [trouble])
    assert len(messages) == 1


def test_what_a_scheduler_says_failed_is_told_until_a_run_of_it_is_good(
    run_module: Run, warehouse: Warehouse, inbox: Inbox
) -> None:
    url, messages = inbox
    variables = {**warehouse.variables(), "ALERT_URL": url}

    def status(*arguments: str) -> int:
        return run_module("orchestrate", "status", *arguments, **variables).returncode

    assert status("--failed", "census.dbt.build", "--about", "census") == 1
    assert len(messages) == 1
    assert "census.dbt.build" in json.dumps(messages[0])
    # It is over when a run of the same sources, or of all, is good; not by one of others.
    assert (status("--failed", "--about", "condominium"), len(messages)) == (1, 1)
    assert (status("--failed"), len(messages)) == (0, 2)
