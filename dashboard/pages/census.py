"""Census: which share earns more than 50,000 US dollars, by education, age, sex and occupation."""

import altair as alt
import streamlit as st

from dashboard import show
from dashboard.warehouse import ask

SOURCE = "census"
# What there is to look at: the mart, its column, and in which order its rows come.
VIEWS = {
    "Education": (
        "agg_income_by_education",
        "education",
        """left join marts_census.dim_education as levels on income.education = levels.education
        order by levels.education_num nulls last, income.education""",
    ),
    "Age": ("agg_income_by_age_band", "age_band", "order by income.age_band"),
    "Sex": ("agg_income_by_sex", "sex", "order by income.sex"),
    "Occupation": ("agg_income_by_occupation", "occupation", "order by share desc nulls last"),
}
WAYS = {
    "People who answered": ("share_above_50k", "response_count"),
    "Weighted to the population": ("weighted_share_above_50k", "weight_total"),
}


def totals(is_weighted: bool) -> None:
    """Shows how many answered, and which share earns more."""
    found = ask(
        """
        select
            sum(response_count) as responses,
            sum(distinct_response_count) as distinct_responses,
            sum(above_50k_count) as above,
            sum(weight_total) as weight,
            sum(weight_above_50k) as weight_above
        from marts_census.agg_income_by_sex
        """
    )
    shares = ask(
        """
        select
            avg(case when is_above_50k then 1.0 else 0.0 end) as share,
            sum(case when is_above_50k then fnlwgt else 0 end)
            / nullif(sum(cast(fnlwgt as numeric)), 0) as weighted_share
        from marts_census.fact_census_response
        where is_above_50k is not null
        """
    )
    row, share = found.first, shares.first
    shown = {
        "Answers": (show.count(row["responses"]), "Answered questionnaires, duplicates included."),
        "Different answers": (
            show.count(row["distinct_responses"]),
            "Without those that say the same as an earlier one in every column.",
        ),
        "Sum of weights": (
            show.count(row["weight"]),
            "Each answer weighs as many people as the bureau says that it stands for.",
        ),
        "Above $50,000": (
            show.percent(share["weighted_share" if is_weighted else "share"]),
            "Of those whose income class is known.",
        ),
    }
    for column, (name, (value, explained)) in zip(st.columns(4), shown.items(), strict=True):
        column.metric(name, value, help=explained)
    show.sql("totals", found, shares)


def incomes(view: str, way: str) -> None:
    """Shows the share that earns more than 50,000, in the parts of the view."""
    relation, column, order = VIEWS[view]
    share, base = WAYS[way]
    found = ask(
        f"""
        select
            income.{column} as part,
            income.{share} as share,
            income.response_count,
            income.above_50k_count,
            income.{base} as base,
            income.weight_total,
            income.weight_above_50k
        from marts_census.{relation} as income
        {order}
        """
    )
    rows = show.values(
        found.rows, share=show.percent, response_count=show.count, weight_total=show.count
    )
    st.subheader(f"Above $50,000 by {view.lower()}")
    drawing = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("part:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X(
                "share:Q",
                title="Share above $50,000",
                axis=alt.Axis(format=".0%"),
                scale=alt.Scale(domainMin=0),
            ),
            tooltip=[
                alt.Tooltip("part:N", title=view),
                alt.Tooltip("share_shown:N", title="Share"),
                alt.Tooltip("response_count_shown:N", title="Answers"),
                alt.Tooltip("weight_total_shown:N", title="Weight"),
            ],
        )
        .properties(height=max(120, 26 * len(rows) + 50))
    )
    left, right = st.columns(2)
    with left:
        show.chart(drawing, f"Share above $50,000 by {view.lower()}; the table has the numbers.")
    with right:
        show.table(
            way,
            found.rows,
            {
                "part": (view, show.text),
                "share": ("Above $50,000", show.percent),
                "response_count": ("Answers", show.count),
                "above_50k_count": ("of them above", show.count),
                "weight_total": ("Weight", show.count),
            },
        )
    show.sql(f"incomes by {view.lower()}", found)


show.head(
    "Census",
    "Who earned more than 50,000 US dollars a year: the Adult extract of the US census of 1994.",
    [SOURCE],
)
with show.told():
    views, ways, _ = st.columns([1, 1, 2])
    with views:
        chosen_view = show.choose("By", "by", list(VIEWS), "Education")
    with ways:
        chosen_way = show.choose("Counted as", "counted", list(WAYS), "People who answered")
    totals(chosen_way != "People who answered")
    incomes(chosen_view, chosen_way)
