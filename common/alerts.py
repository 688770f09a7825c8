"""Tells people of trouble, once, and when it is over: ALERT_URL and ALERT_SNS_TOPIC_ARN say where.

Whom they were told of is in audit.alerts. If that cannot be reached, a file in the temporary folder
remembers when the warehouse was last said to be gone.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg2

from common import runs
from common.errors import LoadError
from common.warehouse import Warehouse

# The same trouble is not told again for so long, in seconds.
QUIET_SECONDS = 3600.0
# What a message says of one trouble, at most, in characters.
_LONGEST = 1000


@dataclass(frozen=True)
class Trouble:
    """What is wrong: `key` is the same for as long as it lasts, such as `load census`."""

    key: str
    reason: str
    advice: str


def is_configured() -> bool:
    """Returns whether anybody wants to be told."""
    return bool(os.environ.get("ALERT_URL") or os.environ.get("ALERT_SNS_TOPIC_ARN"))


def tell(warehouse: Warehouse, find: Callable[[], Iterable[Trouble]]) -> None:
    """Sends one message of what is new, still wrong after an hour, or over; none if nothing is.

    `find` returns all that is wrong; what was told before and is not among it is over. It may raise
    LoadError if the warehouse cannot be asked. Whatever cannot be sent is said on stderr and tried
    again by the next run; nothing is raised.
    """
    try:
        found = {trouble.key: trouble for trouble in find()}
        with (
            closing(runs.connect(warehouse)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            _tell(warehouse, cursor, found)
    except (LoadError, psycopg2.Error) as error:
        _tell_of_warehouse(warehouse, str(error))


def _tell(
    warehouse: Warehouse, cursor: psycopg2.extensions.cursor, found: dict[str, Trouble]
) -> None:
    runs.prepare(cursor)
    # One at a time, or two runs would both tell.
    cursor.execute("lock table audit.alerts in exclusive mode")
    cursor.execute(
        "insert into audit.alerts (trouble) select unnest(%s::text[]) on conflict do nothing",
        (list(found),),
    )
    cursor.execute(
        """
        select
            trouble,
            since,
            sent_at is not null,
            coalesce(sent_at < clock_timestamp() - %s * interval '1 s', true)
        from audit.alerts
        order by since, trouble
        """,
        (QUIET_SECONDS,),
    )
    known = cursor.fetchall()
    due = [(found[key], since) for key, since, _, is_due in known if is_due and key in found]
    over = [(key, since) for key, since, is_told, _ in known if is_told and key not in found]
    if (due or over) and not _send(*_message(warehouse, due, over)):
        return
    cursor.execute(
        "update audit.alerts set sent_at = clock_timestamp() where trouble = any(%s)",
        ([trouble.key for trouble, _ in due],),
    )
    cursor.execute("delete from audit.alerts where not trouble = any(%s)", (list(found),))


def _tell_of_warehouse(warehouse: Warehouse, reason: str) -> None:
    """Tells that the warehouse cannot be reached, unless that was told within the hour."""
    mark = Path(tempfile.gettempdir(), f"alert.{warehouse.host}.{warehouse.port}")
    if mark.exists() and time.time() - mark.stat().st_mtime < QUIET_SECONDS:
        return
    trouble = Trouble(
        "warehouse",
        reason,
        "see that PostgreSQL runs and POSTGRES_* are right; the next run makes up for this one",
    )
    if _send(*_message(warehouse, [(trouble, datetime.now().astimezone())], [])):
        mark.touch()


def _message(
    warehouse: Warehouse,
    due: Sequence[tuple[Trouble, datetime]],
    over: Sequence[tuple[str, datetime]],
) -> tuple[str, str]:
    """Returns a title of one line, and a text: what, where, since when, why, what to do."""
    where = f"{warehouse.database} on {warehouse.host}:{warehouse.port}"
    names = [trouble.key for trouble, _ in due] or [f"{key}: over" for key, _ in over]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    title = f"Warehouse {warehouse.database}: {', '.join(names[:3])}{more}"
    lines = [f"Warehouse: {where}"]
    for trouble, since in due:
        reason = trouble.reason.strip()
        if len(reason) > _LONGEST:
            reason = f"{reason[:_LONGEST]} …"
        lines += [
            "",
            f"WRONG: {trouble.key}",
            f"since: {since:%Y-%m-%d %H:%M:%S %Z}",
            f"reason: {reason}",
            f"what to do: {trouble.advice}",
        ]
    for key, since in over:
        lines += ["", f"OVER: {key}, which was wrong since {since:%Y-%m-%d %H:%M:%S %Z}"]
    text = "\n".join(lines)
    for secret in filter(None, (warehouse.password, os.environ.get("AWS_SECRET_ACCESS_KEY"))):
        text, title = text.replace(secret, "…"), title.replace(secret, "…")
    return title, text


def _send(title: str, text: str) -> bool:
    """Sends it everywhere; returns whether anybody got it, and says on stderr who did not."""
    sent = False
    if urls := os.environ.get("ALERT_URL"):
        # Imported late: most runs have nothing to tell.
        import apprise

        for number, url in enumerate(urls.split(), 1):
            service = apprise.Apprise()
            if service.add(url) and service.notify(body=text, title=title):
                sent = True
            else:
                # A URL holds a token, mostly.
                scheme = url.partition("://")[0]
                _warn(f"address {number} of ALERT_URL ({scheme}://…) did not take it")
    if topic := os.environ.get("ALERT_SNS_TOPIC_ARN"):
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            # A subject of SNS has at most 100 characters of ASCII.
            subject = title.encode("ascii", "replace").decode()[:100]
            region = topic.split(":")[3] if topic.count(":") >= 5 else None
            boto3.client("sns", region_name=region).publish(
                TopicArn=topic, Subject=subject, Message=text
            )
            sent = True
        except (BotoCoreError, ClientError) as error:
            _warn(f"topic {topic}: {error}")
    return sent


def _warn(reason: str) -> None:
    print(f"warning: an alert could not be sent: {reason}", file=sys.stderr)
