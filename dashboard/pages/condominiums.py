"""Condominiums: what was paid, per day and type of property, and per condominium."""

import altair as alt
import streamlit as st

from dashboard import show
from dashboard.warehouse import NotAllowedError, ask, role

SOURCE = "condominium"


def totals() -> None:
    """Shows transactions and their sum."""
    found = ask(
        """
        select sum(transaction_count) as transactions, sum(total_amount) as amount
        from marts_condominium.agg_transactions_by_condominium
        """
    )
    transactions, amount, _ = st.columns([1, 1, 2])
    transactions.metric("Transactions", show.count(found.first["transactions"]))
    amount.metric("Paid", show.reais(found.first["amount"]), help="In Brazilian reais.")
    show.sql("totals", found)


def per_day(kind: str) -> None:
    """Shows what was paid on each day, by type of property."""
    st.subheader("Per day and type of property")
    found = ask(
        f"""
        select transaction_date, property_type, transaction_count, total_amount
        from marts_condominium.agg_daily_transactions_by_property_type
        {"" if kind == show.ALL else "where property_type = %(kind)s"}
        order by transaction_date nulls last, property_type
        """,
        kind=kind,
    )
    rows = show.values(
        found.rows, total_amount=show.reais, transaction_count=show.count, transaction_date=show.day
    )
    show.chart(
        alt.Chart(alt.InlineData(values=[row for row in rows if row["transaction_date"]]))
        .mark_bar()
        .encode(
            x=alt.X("transaction_date_shown:O", title=None, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("total_amount:Q", title="Reais", axis=alt.Axis(format="~s")),
            color=alt.Color("property_type:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=[
                alt.Tooltip("transaction_date_shown:N", title="Day"),
                alt.Tooltip("property_type:N", title="Type"),
                alt.Tooltip("total_amount_shown:N", title="Paid"),
                alt.Tooltip("transaction_count_shown:N", title="Transactions"),
            ],
        )
        .properties(height=280),
        "What was paid on each day, by type of property; the table has the numbers.",
    )
    show.table(
        "Days and types",
        found.rows,
        {
            "transaction_date": ("Day", show.day),
            "property_type": ("Type", show.text),
            "transaction_count": ("Transactions", show.count),
            "total_amount": ("Paid", show.reais),
        },
    )
    show.sql("per day and type of property", found)


def by_condominium() -> None:
    """Shows what was paid in each condominium."""
    st.subheader("Per condominium")
    found = ask(
        """
        select condominium_name, transaction_count, total_amount
        from marts_condominium.agg_transactions_by_condominium
        order by total_amount desc nulls last, condominium_id
        """
    )
    show.table(
        "Condominiums",
        found.rows,
        {
            "condominium_name": ("Condominium", show.text),
            "transaction_count": ("Transactions", show.count),
            "total_amount": ("Paid", show.reais),
        },
    )
    show.sql("per condominium", found)


show.head("Condominiums", "What residents paid, in Brazilian reais.", [SOURCE])
with show.told():
    try:
        kinds = show.first_of(
            "select distinct property_type "
            "from marts_condominium.agg_daily_transactions_by_property_type order by property_type"
        )
    except NotAllowedError as error:
        raise NotAllowedError(
            f"The condominiums are not open to the role `{role()}`: what residents pay is between "
            "them and their manager. Whoever may see them starts the dashboard as another role "
            "(`DASHBOARD_ROLE=transformer make dashboard`)."
        ) from error
    chooser, _ = st.columns([1, 3])
    with chooser:
        chosen_kind = show.choose("Type of property", "property", kinds)
    totals()
    per_day(chosen_kind)
    by_condominium()
