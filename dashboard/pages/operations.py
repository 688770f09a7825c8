"""Operations: how loads, tests and runs are; what was rejected, and where; what takes long."""

import os

import altair as alt
import streamlit as st

from dashboard import show
from dashboard.warehouse import ask, ask_now, sources
from orchestrate.project import recall


def health() -> None:
    """Shows how each source is."""
    st.subheader("Sources")
    found = ask_now(
        """
        select
            source,
            loaded_at,
            round(cast(hours_since_load as numeric), 1) as hours_since_load,
            built_at,
            row_count,
            rejected_count,
            warning_count,
            failure_count,
            case when failure_count > 0 then 'failed'
                when warning_count > 0 then 'warns'
                else 'good'
            end as state
        from marts_operations.agg_source_health
        order by failure_count desc, source
        """
    )
    feeds = ask_now("select source, feed, hours_since_load from marts_operations.agg_feed_health")
    known = recall(os.environ.get("DASHBOARD_CODE", ""))
    ages = {(row["source"], row["feed"]): row["hours_since_load"] * 3600 for row in feeds.rows}
    stale = known.stale(ages) if known else {}
    rows = [row | {"stale": ", ".join(stale.get(row["source"], []))} for row in found.rows]
    for row in rows:
        if row["stale"] and row["state"] != "failed":
            row["state"] = "stale"
    show.table(
        "How each source is now",
        rows,
        {
            "source": ("Source", show.text),
            "state": ("State", show.state),
            "loaded_at": ("Last load", show.moment),
            "hours_since_load": ("Hours ago", show.number),
            "stale": ("No news of", show.text),
            "built_at": ("Last build", show.moment),
            "row_count": ("Rows", show.count),
            "rejected_count": ("Rejected rows", show.count),
            "warning_count": ("Warnings", show.count),
            "failure_count": ("Failures", show.count),
        },
    )
    st.caption("No news of: feeds that brought nothing for longer than models/ allows.")
    show.sql("sources", found, feeds)


def tests() -> None:
    """Shows what warns or fails."""
    st.subheader("Tests that warn or fail")
    found = ask(
        """
        select name, kind, sources, status, row_count, recorded_at
        from marts_operations.agg_node_health
        where status in ('warn', 'fail', 'error', 'runtime error')
        order by case when status = 'warn' then 1 else 0 end, kind, name
        """
    )
    show.table(
        "What did not end well when it last ran",
        found.rows,
        {
            "name": ("Name", show.text),
            "kind": ("Kind", show.text),
            "sources": ("Sources", show.text),
            "status": ("Ended", show.text),
            "row_count": ("Findings", show.count),
            "recorded_at": ("When", show.moment),
        },
    )
    st.caption("`make status` says why, and what to do; docs/operations.md has a table of them.")
    show.sql("tests that warn or fail", found)


def rejected() -> None:
    """Shows which rows and values were rejected, by file and line."""
    st.subheader("Rejected rows and values")
    chooser, _ = st.columns([1, 3])
    with chooser:
        source = show.choose("Source", "source", list(sources() or {}))
    condition = "" if source == show.ALL else "and source = %(source)s"
    rows = ask(
        f"""
        select source, file, line_number, reason, loaded_at
        from marts_operations.fact_rejected_row
        where is_current {condition}
        order by loaded_at desc, source, file, line_number
        limit 1000
        """,
        source=source,
    )
    show.table(
        "Rows of current files that no load could take",
        rows.rows,
        {
            "source": ("Source", show.text),
            "file": ("File", show.text),
            "line_number": ("Line", show.number),
            "reason": ("Why", show.text),
            "loaded_at": ("Loaded", show.moment),
        },
        limit=20,
    )
    # Those that readers may see: where a value is, not what it says.
    lists = show.first_of(
        """
        select cast(cast(oid as regclass) as text)
        from pg_class
        where
            relnamespace = to_regnamespace('quality')
            and relname ~ '^dq_.+_rejected_values$'
            and has_column_privilege(oid, 'source_line', 'select')
        order by relname
        """
    )
    values = [
        ask(
            f"""
            select source, source_file, source_line, feed, column_name, expected_type
            from {name}
            {"" if source == show.ALL else "where source = %(source)s"}
            order by source_file, source_line, column_name
            limit 1000
            """,
            source=source,
        )
        for name in lists
    ]
    show.table(
        "Values that are not of their type (NULL in the marts)",
        [row for result in values for row in result.rows],
        {
            "source": ("Source", show.text),
            "source_file": ("File", show.text),
            "source_line": ("Line", show.number),
            "feed": ("Feed", show.text),
            "column_name": ("Column", show.text),
            "expected_type": ("Expected", show.text),
        },
        limit=20,
    )
    st.caption("What a line says is not shown: it may be personal. The file has it.")
    show.sql("rejected rows and values", rows, *values)


def durations() -> None:
    """Shows how long runs took, over time."""
    st.subheader("Runs")
    chooser, _ = st.columns([1, 3])
    with chooser:
        kinds = show.first_of("select distinct kind from marts_operations.fact_run order by kind")
        kind = show.choose("Kind of run", "kind", kinds)
    found = ask(
        f"""
        select run_id, kind, about, status, started_at, seconds, row_count, failed_count
        from marts_operations.fact_run
        where seconds is not null {"" if kind == show.ALL else "and kind = %(kind)s"}
        order by run_id desc
        limit 300
        """,
        kind=kind,
    )
    rows = show.values(found.rows, seconds=show.seconds, started_at=show.moment)
    show.chart(
        alt.Chart(alt.InlineData(values=rows))
        .mark_circle(size=60)
        .encode(
            x=alt.X("started_at:T", title=None),
            y=alt.Y("seconds:Q", title="Seconds"),
            color=alt.Color(
                "status:N",
                title=None,
                scale=alt.Scale(
                    domain=["good", "failed", "interrupted"],
                    range=["#2a9d8f", "#d1495b", "#d9730d"],
                ),
                legend=alt.Legend(orient="top"),
            ),
            shape="status:N",
            tooltip=[
                alt.Tooltip("run_id:Q", title="Run"),
                alt.Tooltip("kind:N", title="Kind"),
                alt.Tooltip("about:N", title="About"),
                alt.Tooltip("started_at_shown:N", title="Started"),
                alt.Tooltip("seconds_shown:N", title="Took"),
                alt.Tooltip("status:N", title="Ended"),
            ],
        )
        .properties(height=220),
        "How long each run took; the table has the last of them.",
    )
    show.table(
        "The last runs",
        found.rows,
        {
            "run_id": ("Run", show.number),
            "kind": ("Kind", show.text),
            "about": ("About", show.text),
            "started_at": ("Started", show.moment),
            "seconds": ("Took", show.seconds),
            "row_count": ("Rows loaded", show.count),
            "failed_count": ("Failures", show.count),
            "status": ("Ended", show.text),
        },
        limit=10,
    )
    show.sql("runs", found)


def slowest() -> None:
    """Shows what takes longest to build."""
    st.subheader("Slowest models")
    found = ask(
        """
        select name, seconds, mean_seconds, max_seconds, run_count, recorded_at
        from marts_operations.agg_node_health
        where kind in ('model', 'seed', 'snapshot') and seconds is not null
        order by mean_seconds desc, name
        limit 15
        """
    )
    left, right = st.columns([3, 2])
    with left:
        rows = show.values(found.rows, mean_seconds=show.seconds)
        show.chart(
            show.bars(rows, "name", "mean_seconds", "Seconds, in the mean"),
            "The models that take longest to build; the table has the numbers.",
        )
    with right:
        show.table(
            "The fifteen slowest, in the mean",
            found.rows,
            {
                "name": ("Model", show.text),
                "mean_seconds": ("Mean", show.seconds),
                "seconds": ("Last", show.seconds),
                "run_count": ("Times", show.count),
            },
        )
    show.sql("slowest models", found)


show.head("Operations", "How loads, tests and runs are.", [])
with show.told():
    health()
    tests()
    rejected()
    durations()
    slowest()
