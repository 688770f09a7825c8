"""What is wrong with the warehouse, out of what was recorded: for `status`, and for alerts."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg2
from rich.console import Console

from common import alerts, runs
from common.alerts import Trouble
from common.errors import LoadError
from common.runs import FAILED
from common.warehouse import Warehouse, postgres_failed
from orchestrate.builds import Builds, no_news_of
from orchestrate.console import say
from orchestrate.project import Known, code_digest, recall


@dataclass(frozen=True)
class SourceHealth:
    """What is known of a source: `loaded_at` is when it last brought something, None if never.

    `rows` are those in raw; `rejected` those that its files have besides. `trouble` says what is
    wrong with loading it, nothing if it is well.
    """

    name: str
    loaded_at: datetime | None
    rows: int
    rejected: int
    trouble: str


@dataclass(frozen=True)
class Health:
    """The sources, and all troubles, theirs among them; `warnings` are tests that warn, by name."""

    sources: tuple[SourceHealth, ...]
    troubles: tuple[Trouble, ...]
    warnings: tuple[str, ...]


def examine(warehouse: Warehouse, names: Sequence[str], known: Known | None) -> Health:
    """Returns how these sources and the last runs are; raises LoadError if nobody can know.

    `known` says after how long a source is stale; None if dbt has not been asked.
    """
    try:
        with closing(runs.connect(warehouse)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                runs.prepare(cursor)
                runs.find_interrupted(cursor)
                troubles = _of_runs(cursor)
                loads = _loads(cursor)
            builds = Builds(connection)
            last = builds.last()
            stale = known.stale(builds.ages()) if known and loads else {}
    except psycopg2.Error as error:
        raise LoadError(postgres_failed(error)) from error
    for key, message in sorted(last.red.items()):
        kind, _, name = key.split(".")[:3]
        if message == "skipped":
            # Because of one that failed, which is listed.
            continue
        troubles.append(
            Trouble(
                f"{kind} {name}",
                message,
                "look at its rows (dbt show, audit.run_nodes), mend the data or the model; the "
                "next run builds and tests it again",
            )
        )
    for name, feeds in stale.items():
        troubles.append(
            Trouble(
                f"stale {name}",
                no_news_of(feeds),
                "ask whoever delivers it; see that the schedule runs",
            )
        )
    reasons = {trouble.key: trouble.reason for trouble in troubles}
    sources = []
    for name in names:
        loaded_at, rows, rejected = loads.get(name, (None, 0, 0))
        wrong = [reasons[key] for key in (f"load {name}", f"stale {name}") if key in reasons]
        sources.append(SourceHealth(name, loaded_at, rows, rejected, "; ".join(wrong)))
    warnings = sorted(key.split(".")[2] for key in last.warnings)
    return Health(tuple(sources), tuple(troubles), tuple(warnings))


def alert(warehouse: Warehouse) -> None:
    """Tells whom it concerns what is wrong, or over, since they were last told."""
    if alerts.is_configured():
        known = recall(code_digest(warehouse.database))
        alerts.tell(warehouse, lambda: examine(warehouse, (), known).troubles)


def print_status(warehouse: Warehouse, names: Sequence[str], console: Console) -> int:
    """Prints a line per source, and what is wrong; returns 1 if anything is, else 0.

    Whoever wants to know of trouble is told, too: a source goes stale while nothing runs.
    """
    # First, for the warehouse may be what is wrong.
    alert(warehouse)
    known = recall(code_digest(warehouse.database))
    health = examine(warehouse, names, known)
    now = datetime.now().astimezone()
    for source in health.sources:
        line = "never loaded"
        if source.loaded_at:
            line = (
                f"loaded {_age(now - source.loaded_at)} ago ({source.loaded_at:%Y-%m-%d %H:%M}), "
                f"{source.rows:,} rows, {source.rejected:,} rejected"
            )
        sign = "WRONG" if source.trouble else "good "
        say(console, f"  {sign}  {source.name}: {line}")
    for name in health.warnings:
        say(console, f"  warning: {name}")
    for trouble in health.troubles:
        say(console, f"  WRONG  {trouble.key}: {trouble.reason}")
        say(console, f"         {trouble.advice}")
    if known is None:
        say(console, "  freshness is not known before the first build of this code: make run")
    return 1 if health.troubles else 0


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{age.days} days"


def _of_runs(cursor: psycopg2.extensions.cursor) -> list[Trouble]:
    """Returns what failed when it was last tried: loads, tables of the lake, whole runs."""
    cursor.execute(
        """
        select kind || ' ' || name, message, kind
        from (
            select distinct on (node) kind, name, status, message
            from audit.run_nodes
            where kind in ('load', 'publish')
            order by node asc, run_id desc, recorded_at desc
        ) as last_of_each
        where status = 'error'
        order by 1
        """
    )
    advice = {
        "load": "mend the file or the access to it; what was loaded before is untouched, and the "
        "next load tries again",
        "publish": "see that LAKE_URL can be written; the lake still has what it had, and the next "
        "publish tries again",
    }
    troubles = [Trouble(key, message, advice[kind]) for key, message, kind in cursor.fetchall()]
    cursor.execute(
        """
        select trim(kind || ' ' || about), status, coalesce(message, status)
        from (
            select distinct on (kind, about) run_id, kind, about, status, message
            from audit.runs
            order by kind asc, about asc, run_id desc
        ) as last_of_each
        where
            status in ('failed', 'interrupted')
            -- What failed in it has a trouble of its own.
            and not exists (
                select from audit.run_nodes as nodes
                where
                    nodes.run_id = last_of_each.run_id
                    and nodes.status = any(%s)
            )
            and not exists (
                select from audit.runs as later
                where
                    later.run_id > last_of_each.run_id
                    and later.kind = last_of_each.kind
                    and later.about = ''
                    and later.status = 'good'
            )
        order by 1
        """,
        (list(FAILED),),
    )
    troubles += [
        Trouble(
            key,
            message,
            "start it again: what was done before is kept"
            if status == "interrupted"
            else "mend what the reason names, and start it again",
        )
        for key, status, message in cursor.fetchall()
    ]
    return troubles


def _loads(cursor: psycopg2.extensions.cursor) -> dict[str, tuple[datetime, int, int]]:
    """Returns when each source last brought something, and its rows loaded and rejected."""
    cursor.execute("select to_regclass('audit.files') is null")
    if cursor.fetchone() == (True,):
        return {}
    cursor.execute(
        """
        select
            source,
            max(ended_at) filter (where status = 'complete'),
            coalesce(sum(row_count - rejected_count) filter (where is_current), 0)::bigint,
            coalesce(sum(rejected_count) filter (where is_current), 0)::bigint
        from audit.files
        group by source
        """
    )
    return {source: (at, rows, rejected) for source, at, rows, rejected in cursor.fetchall()}
