"""Breweries: where they are, and how many of each type, by country and state."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import streamlit as st

from dashboard import show
from dashboard.warehouse import ask

SOURCE = "open_brewery"
OUTLINES = Path(__file__).parents[1] / "map" / "countries-110m.json"
# More of them are dots that nobody tells apart, and a page that is slow to draw.
MOST_POINTS = 12000
WIDTH, HEIGHT = 1100, 480


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
    return "where " + "\n    and ".join(conditions) if conditions else ""


def world(country: str, kind: str) -> None:
    """Shows each brewery that has coordinates as a point."""
    st.subheader("Where they are")
    points = ask(
        f"""
        select brewery_name, brewery_type, city, state_province, country, longitude, latitude
        from marts_breweries.dim_brewery
        {where(country, kind, "longitude is not null", "latitude is not null")}
        order by brewery_id
        limit {MOST_POINTS}
        """,  # noqa: S608 - conditions of this module
        country=country,
        kind=kind,
    )
    extent = ask(
        f"""
        select
            count(*) as breweries,
            count(case when longitude is null or latitude is null then 1 end) as without,
            percentile_cont(0.01) within group (order by longitude) as west,
            percentile_cont(0.99) within group (order by longitude) as east,
            percentile_cont(0.01) within group (order by latitude) as south,
            percentile_cont(0.99) within group (order by latitude) as north
        from marts_breweries.dim_brewery
        {where(country, kind)}
        """,  # noqa: S608
        country=country,
        kind=kind,
    )
    about = extent.first
    if not points.rows:
        st.info("None of these breweries has coordinates.", icon=":material/location_off:")
    else:
        rows = show.values(points.rows)
        projection = alt.Projection(type="mercator", **_window(about, whole=country == show.ALL))
        land = alt.Chart(
            alt.Data(values=outlines(), format=alt.TopoDataFormat(type="topojson", feature="countries"))
        ).mark_geoshape(fill="#8884", stroke="#8888", strokeWidth=0.5, aria=False)
        dots = (
            alt.Chart(alt.Data(values=rows))
            .mark_circle(size=14, opacity=0.6, aria=False)
            .encode(
                longitude="longitude:Q",
                latitude="latitude:Q",
                color=alt.Color("brewery_type:N", title=None, legend=alt.Legend(orient="bottom")),
                tooltip=[
                    alt.Tooltip("brewery_name:N", title="Brewery"),
                    alt.Tooltip("brewery_type:N", title="Type"),
                    alt.Tooltip("city:N", title="City"),
                    alt.Tooltip("state_province:N", title="State"),
                    alt.Tooltip("country:N", title="Country"),
                ],
            )
        )
        show.chart(
            (land + dots).properties(
                projection=projection,
                height=HEIGHT,
                usermeta={"embedOptions": {"renderer": "canvas"}},
            ),
            "Map of the breweries; the tables below count them by country and state.",
        )
    st.caption(
        f"{show.count(about['breweries'])} breweries, of which {show.count(about['without'])} "
        "have no coordinates, or some outside of their country."
    )
    show.sql("map", points, extent)


def _window(about: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """Returns what the map shows: the world, or as much as holds nearly all of the points."""
    if whole:
        return {"scale": WIDTH / 6.6, "center": [0, 28], "translate": [WIDTH / 2, HEIGHT / 2]}
    wide = max(about["east"] - about["west"], 2.0) * 1.25
    high = max(about["north"] - about["south"], 1.5) * 1.6
    return {
        # Mercator: 2 pi times the scale is 360 degrees.
        "scale": min(WIDTH / wide, HEIGHT / high) * 57.3,
        "center": [(about["west"] + about["east"]) / 2, (about["south"] + about["north"]) / 2],
        "translate": [WIDTH / 2, HEIGHT / 2],
    }


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
        """,  # noqa: S608
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
        """,  # noqa: S608
        country=country,
        kind=kind,
    )
    left, right = st.columns([3, 1])
    with left:
        rows = show.values(found.rows, brewery_count=show.count)
        show.chart(
            show.bars(rows, "place", "brewery_count", "Breweries", color="brewery_type"),
            f"{title}, the 25 with the most; the tables have the numbers.",
        )
    with right:
        show.table(
            "Types",
            totals.rows,
            {"brewery_type": ("Type", show.text), "breweries": ("Breweries", show.count)},
        )
        places = {row["place"]: row for row in found.rows}
        show.table(
            "Places with the most",
            places.values(),
            {"place": ("Place", show.text), "place_count": ("Breweries", show.count)},
        )
    show.sql(title.lower(), found, totals)


show.head(
    "Breweries", "What breweries publish of themselves, those planned and closed included.", [SOURCE]
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
