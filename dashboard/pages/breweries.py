"""Breweries: where they are, and how many of each type, by country and state."""

import json
from functools import cache
from math import cos, radians
from pathlib import Path
from typing import Any

import altair as alt
import streamlit as st

from dashboard import show, warehouse
from dashboard.warehouse import ask

SOURCE = "open_brewery"
OUTLINES = Path(__file__).parents[1] / "map" / "countries-110m.json"


@cache
def outlines() -> Any:
    """Returns the outlines of the countries (TopoJSON): no map is fetched."""
    return json.loads(OUTLINES.read_text(encoding="utf-8"))


def where(country: str, kind: str, *more: str) -> str:
    """Returns the conditions of what is chosen."""
    conditions = list(more)
    if country != show.ALL:
        conditions.append("country = %(country)s")
    if kind != show.ALL:
        conditions.append("brewery_type = %(kind)s")
    return warehouse.where(conditions)


def world(country: str, kind: str) -> None:
    """Shows how many breweries each city has."""
    st.subheader("Where they are")
    cities = ask(
        f"""
        select
            country,
            state_province,
            city,
            count(*) as breweries,
            avg(longitude) as longitude,
            avg(latitude) as latitude
        from marts_breweries.dim_brewery
        {where(country, kind, "longitude is not null", "latitude is not null")}
        group by country, state_province, city
        order by breweries desc, country, state_province, city
        """,
        country=country,
        kind=kind,
    )
    extent = ask(
        f"""
        select
            count(*) as breweries,
            count(case when longitude is null or latitude is null then 1 end) as without,
            percentile_cont(0.005) within group (order by longitude) as west,
            percentile_cont(0.995) within group (order by longitude) as east,
            percentile_cont(0.005) within group (order by latitude) as south,
            percentile_cont(0.995) within group (order by latitude) as north
        from marts_breweries.dim_brewery
        {where(country, kind)}
        """,
        country=country,
        kind=kind,
    )
    about = extent.first
    if not cities.rows:
        st.info("None of these breweries has coordinates.", icon=":material/location_off:")
    else:
        rows = show.values(cities.rows, breweries=show.count)
        land = alt.Chart(
            alt.InlineData(
                values=outlines(), format=alt.TopoDataFormat(type="topojson", feature="countries")
            )
        ).mark_geoshape(fill="#8883", stroke="#8886", strokeWidth=0.5, aria=False)
        dots = (
            alt.Chart(alt.InlineData(values=rows))
            .mark_circle(opacity=0.6)
            .encode(
                longitude="longitude:Q",
                latitude="latitude:Q",
                size=alt.Size(
                    "breweries:Q", scale=alt.Scale(type="sqrt", range=[12, 400]), legend=None
                ),
                tooltip=[
                    alt.Tooltip("city:N", title="City"),
                    alt.Tooltip("state_province:N", title="State"),
                    alt.Tooltip("country:N", title="Country"),
                    alt.Tooltip("breweries_shown:N", title="Breweries"),
                ],
            )
        )
        show.chart(
            (land + dots).properties(projection=_window(about, country), height=440),
            "Map of the breweries, a circle per city; the tables below count them.",
        )
    st.caption(
        f"{show.count(about['breweries'])} breweries, of which {show.count(about['without'])} "
        "have no coordinates, or some outside of their country. A circle is a city."
    )
    show.sql("map", cities, extent)


def _window(about: dict[str, Any], country: str) -> alt.Projection:
    """Returns what the map shows: the world, or what holds nearly all breweries of a country."""
    center, scale = [0.0, 30.0], "width / 6.6"
    if country != show.ALL:
        center = [(about["west"] + about["east"]) / 2, (about["south"] + about["north"]) / 2]
        wide = radians(max(about["east"] - about["west"], 3.0) * 1.2)
        # Mercator draws what is far from the equator larger.
        high = radians(max(about["north"] - about["south"], 2.0) * 1.2) / cos(radians(center[1]))
        scale = f"min(width / {wide:.4f}, height / {high:.4f})"
    return alt.Projection(
        type="mercator",
        center=center,
        scale=alt.ExprRef(scale),
        translate=alt.ExprRef("[width / 2, height / 2]"),
    )


def by_type(country: str, kind: str) -> None:
    """Shows how many of each type there are, by country, or by state of one country."""
    level = "country" if country == show.ALL else "state_province"
    title = "Types by country" if country == show.ALL else f"Types by state of {country}"
    st.subheader(title)
    relation = (
        "agg_breweries_by_type_and_country"
        if country == show.ALL
        else "agg_breweries_by_type_country_and_state"
    )
    found = ask(
        f"""
        with counted as (
            select
                coalesce({level}, '(unknown)') as place,
                brewery_type,
                brewery_count,
                sum(brewery_count) over (partition by {level}) as place_count
            from marts_breweries.{relation}
            {where(country, kind)}
        ),

        ranked as (
            select *, dense_rank() over (order by place_count desc, place) as place_rank
            from counted
        )

        select place, brewery_type, brewery_count, place_count
        from ranked
        where place_rank <= 25
        order by place_rank, brewery_count desc, brewery_type
        """,
        country=country,
        kind=kind,
    )
    totals = ask(
        f"""
        select brewery_type, cast(sum(brewery_count) as bigint) as breweries
        from marts_breweries.agg_breweries_by_type_and_country
        {where(country, kind)}
        group by brewery_type
        order by breweries desc, brewery_type
        """,
        country=country,
        kind=kind,
    )
    left, middle, right = st.columns([3, 1.2, 1])
    with left:
        rows = show.values(found.rows, brewery_count=show.count)
        show.chart(
            show.bars(rows, "place", "brewery_count", "Breweries", color="brewery_type"),
            f"{title}, the 25 with the most; the tables have the numbers.",
        )
    with middle:
        places = {row["place"]: row for row in found.rows}
        show.table(
            "Places with the most",
            places.values(),
            {"place": ("Place", show.text), "place_count": ("Breweries", show.count)},
        )
    with right:
        show.table(
            "All of them",
            totals.rows,
            {"brewery_type": ("Type", show.text), "breweries": ("Breweries", show.count)},
        )
    show.sql("types", found, totals)


show.head(
    "Breweries",
    "What breweries publish of themselves, those planned and closed included.",
    [SOURCE],
)
with show.told():
    countries, kinds, _ = st.columns([1, 1, 2])
    with countries:
        chosen_country = show.choose(
            "Country",
            "country",
            show.first_of(
                "select distinct country from marts_breweries.agg_breweries_by_type_and_country "
                "where country is not null order by country"
            ),
        )
    with kinds:
        chosen_kind = show.choose(
            "Type",
            "type",
            show.first_of(
                "select distinct brewery_type from "
                "marts_breweries.agg_breweries_by_type_and_country "
                "where brewery_type is not null order by brewery_type"
            ),
        )
    world(chosen_country, chosen_kind)
    by_type(chosen_country, chosen_kind)
