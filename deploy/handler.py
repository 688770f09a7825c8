"""AWS Lambda: loads sources whose files changed (S3 events by way of SQS), or those of a schedule.

What loads is the project's own `extract.load`: it looks at all files of a source and the
ledger knows what is loaded, so duplicate, reordered and lost events do no harm. Several messages of
one source are one load.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from common.errors import ConfigurationError, LoadError
from common.runs import recorded
from common.storage import source_url
from common.warehouse import Warehouse, find_warehouse
from extract.declaration import Source, read_sources
from extract.load import load_recorded

# How long before Lambda would kill the function a load is stopped, and no other one begun.
RESERVE_SECONDS = 20
NAMESPACE = "elt-warehouse"

Event = dict[str, Any]


class OutOfTimeError(LoadError):
    """A load was stopped, before Lambda stops the whole function."""


def handle(event: Event, context: Any) -> Event:
    """Loads what an event of SQS or of the schedule is about; Lambda calls it.

    `event` has `Records` of an SQS queue, whose bodies are S3 events; or `sources`, names to load
    (an empty list: all). Of SQS, returns the messages that failed (`batchItemFailures`): only those
    are delivered again. Of a schedule, raises LoadError if a source was not loaded.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    sources = read_sources()
    if "Records" in event:
        return _messages(event["Records"], sources, deadline)
    names = event.get("sources")
    if not isinstance(names, list) or not set(names) <= sources.keys():
        raise ConfigurationError(
            f'expected Records, or {{"sources": […]}} with names of: {", ".join(sources)}'
        )
    failed = _load([sources[name] for name in names or sources], deadline)
    if failed:
        raise LoadError(f"not loaded: {', '.join(failed)}; each reason is in the log")
    return {}


def _messages(records: Sequence[Event], sources: dict[str, Source], deadline: float) -> Event:
    """Loads the sources that messages are about; a message that says nothing fails alone."""
    about: dict[str, set[str]] = {}
    failed = []
    for record in records:
        identity = record["messageId"]
        try:
            about[identity] = changed_sources(record["body"], sources)
        except ConfigurationError as error:
            _say("message", message=identity, error=str(error))
            failed.append(identity)
    wanted = set().union(*about.values())
    unloaded = _load([sources[name] for name in sources if name in wanted], deadline)
    failed += [identity for identity, names in about.items() if names & unloaded]
    return {"batchItemFailures": [{"itemIdentifier": identity} for identity in failed]}


def changed_sources(body: str, sources: dict[str, Source]) -> set[str]:
    """Returns the sources whose files an S3 event is about; none of S3's test event.

    Raises ConfigurationError for what is no S3 event, and for a file of no source.
    """
    try:
        event = json.loads(body)
        if event.get("Event") == "s3:TestEvent":
            return set()
        objects = [record["s3"] for record in event["Records"]]
        # Keys are encoded as in a form: a space is a +.
        urls = [
            f"s3://{each['bucket']['name']}/{unquote_plus(each['object']['key'])}"
            for each in objects
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"no S3 event: {error!r}") from error
    if not urls:
        raise ConfigurationError("no S3 event: it has no records")
    return {_source_of(url, sources) for url in urls}


def _source_of(url: str, sources: dict[str, Source]) -> str:
    for source in sources.values():
        if not source.api and url.startswith(f"{source_url(source.name).rstrip('/')}/"):
            return source.name
    raise ConfigurationError(
        f"{url}: belongs to no source: put it into the folder of one (extract/sources.yml)"
    )


def _load(sources: Sequence[Source], deadline: float) -> set[str]:
    """Loads sources one by one while there is time; returns the names of those that failed."""
    failed = set()
    for source in sources:
        try:
            with _until(deadline, source):
                warehouse = _warehouse()
                with recorded(warehouse, "load", source.name) as record:
                    result = load_recorded(source, warehouse, record)
        except (LoadError, ConfigurationError) as error:
            failed.add(source.name)
            _say("load", source=source.name, error=str(error), FailedLoads=1)
        else:
            _say(
                "load",
                source=source.name,
                files=[file.file for file in result.files if file.rows is not None],
                rejected=sum(file.rejected for file in result.files),
                GoodLoads=1,
                LoadedRows=result.rows,
                LoadSeconds=round(result.seconds, 3),
            )
    return failed


@contextmanager
def _until(deadline: float, source: Source) -> Iterator[None]:
    """Stops the block at a time of time.monotonic(), by an error like those of any failed load."""

    def stop(*_: object) -> None:
        raise OutOfTimeError(
            f"{source.name}: the function's time is over. Nothing of this load is visible; the "
            "next one begins anew. If that fails too, give the function more time or memory"
        )

    remaining = deadline - time.monotonic()
    if remaining <= 0:
        stop()
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, remaining)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _warehouse() -> Warehouse:
    """Returns the warehouse, with user and password as Secrets Manager has them just now.

    They are asked for each time, because they are rotated. Raises LoadError if it does not tell.
    """
    arn = os.environ.get("DATABASE_SECRET_ARN")
    if not arn:
        raise ConfigurationError("DATABASE_SECRET_ARN is not set: it names the database's secret")
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=arn)
        secret = json.loads(answer["SecretString"])
        return replace(find_warehouse(), user=secret["username"], password=secret["password"])
    except (BotoCoreError, ClientError) as error:
        raise LoadError(f"{arn}: cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError):
        # Without the reason, which might repeat the secret.
        raise LoadError(f"{arn}: expected JSON with username and password") from None


def _say(what: str, **facts: Any) -> None:
    """Prints a line of JSON for the log; CloudWatch makes metrics of the facts in CamelCase."""
    metrics = [{"Name": name} for name in facts if name[0].isupper()]
    if metrics:
        facts["_aws"] = {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics}
            ],
        }
        facts["Stack"] = os.environ.get("STACK", "")
    print(json.dumps({"what": what, **facts}), flush=True)
