"""How figures look: numbers with units, tables, charts, filters, the head of a page."""

import html
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import altair as alt
import streamlit as st

from dashboard.warehouse import (
    NotAllowedError,
    NotBuiltError,
    Result,
    Row,
    UnavailableError,
    ask,
    sources,
)

# How many rows a table shows at once.
MOST_ROWS = 50
NOTHING = "-"
ALL = "All"
Format = Callable[[Any], str]
PRODUCT_LINES = {"R": "Road", "M": "Mountain", "T": "Touring", "S": "Standard", "(none)": "No line"}

STYLE = """
<style>
[data-testid="stMetricValue"] { font-size: 1.35rem; }
[data-testid="stMainBlockContainer"] { padding: 2.5rem 3rem 3rem 3rem; }
.scrolls { overflow-x: auto; }
.figures { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
.figures caption { text-align: left; font-weight: 600; padding: 0 0 0.4rem 0; }
.figures th, .figures td {
    text-align: left; padding: 0.3rem 0.8rem 0.3rem 0; vertical-align: top;
    border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent);
}
.figures th { font-weight: 600; opacity: 0.75; }
.figures .short { white-space: nowrap; }
.figures .number {
    text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap;
}
</style>
"""


def text(value: object) -> str:
    """Returns a value as it is; a dash for none."""
    return NOTHING if value is None or value == "" else str(value)


def count(value: int | Decimal | None) -> str:
    """Returns a number of things: 1,234."""
    return NOTHING if value is None else f"{value:,.0f}"


def number(value: int | Decimal | None) -> str:
    """Returns a number with all of its digits, without zeros at the end: 1,234.5."""
    if value is None:
        return NOTHING
    shown = f"{value:,}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def is_number(value: object) -> bool:
    """Returns whether a value of a column is a number."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def money(value: Decimal | None) -> str:
    """Returns US dollars to the cent: $1,234.50. Halves are rounded up, as PostgreSQL does."""
    return _amount(value, "$")


def reais(value: Decimal | None) -> str:
    """Returns Brazilian reais to the cent: R$ 1,234.50."""
    return _amount(value, "R$ ")


def _amount(value: Decimal | None, unit: str) -> str:
    if value is None:
        return NOTHING
    cents = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{'-' if cents < 0 else ''}{unit}{abs(cents):,}"


def percent(value: Decimal | None) -> str:
    """Returns a share of 1 as 12.3 %."""
    if value is None:
        return NOTHING
    return f"{(value * 100).quantize(Decimal('0.1'), ROUND_HALF_UP):,} %"


def change(value: Decimal | None) -> str:
    """Returns a change by a share of 1 as +12.3 %."""
    return NOTHING if value is None else f"{'+' if value >= 0 else ''}{percent(value)}"


def seconds(value: float | None) -> str:
    """Returns a duration: 0.42 s, 12.3 s, 2 min 05 s."""
    if value is None:
        return NOTHING
    if value >= 60:
        return f"{int(value // 60)} min {int(value % 60):02} s"
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def moment(value: datetime | None) -> str:
    """Returns a time, in that of the server: 2026-11-22 02:10 UTC."""
    return NOTHING if value is None else f"{value:%Y-%m-%d %H:%M} {value.tzname() or ''}".strip()


def day(value: date | None) -> str:
    """Returns a day: 2026-11-22."""
    return NOTHING if value is None else value.isoformat()


def state(value: str | None) -> str:
    """Returns a state with a sign, for those who tell no colours apart."""
    signs = {"good": "✓", "warns": "!", "failed": "✗", "stale": "✗"}
    return f"{signs.get(value or '', '')} {text(value)}".strip()


def line(value: str | None) -> str:
    """Returns the name of a product line."""
    return PRODUCT_LINES.get(value or "", text(value))


def territory(value: int | None) -> str:
    """Returns what to call a territory: their names are not loaded."""
    return "(unknown)" if value is None else f"Territory {value}"


def channel(value: bool | None) -> str:
    """Returns how an order came in."""
    return "(unknown)" if value is None else ("Online" if value else "Sales person")


def head(title: str, about: str, names: Sequence[str]) -> None:
    """Shows the title of a page, what it is about, and of when its sources are."""
    st.html(STYLE)
    st.title(title)
    st.markdown(about)
    with told():
        known = sources()
        if known is None:
            st.caption("As of: not known before `make run` has built marts_operations")
        else:
            wanted = [_as_of(name, known.get(name)) for name in names or known]
            st.caption("As of " + ("; ".join(wanted) or "no load: nothing was ever loaded"))


def _as_of(name: str, row: Row | None) -> str:
    if row is None or row["loaded_at"] is None:
        return f"no load: {name} was never loaded"
    built = f", built {moment(row['built_at'])}" if row["built_at"] else ""
    return f"**{moment(row['loaded_at'])}** ({row['source']}{built})"


class told:  # noqa: N801 - it reads as a statement: with told(): ...
    """Says in words why what is inside cannot be shown; the rest of the page goes on."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Swallows what cannot be shown, after saying so."""
        if isinstance(error, NotBuiltError):
            st.info(str(error), icon=":material/inventory_2:")
        elif isinstance(error, NotAllowedError):
            st.info(str(error), icon=":material/lock:")
        elif isinstance(error, UnavailableError):
            st.error(str(error), icon=":material/error:")
        return isinstance(error, UnavailableError)


def table(
    title: str, rows: Iterable[Row], columns: dict[str, tuple[str, Format]], limit: int = MOST_ROWS
) -> None:
    """Shows rows as a table that screen readers read; `columns` are heads and formats, by name.

    What is formatted as a number stands to the right. Shows at most `limit` rows, and says so.
    """
    found = list(rows)
    heads = "".join(
        f'<th scope="col"{_class(form)}>{html.escape(head)}</th>' for head, form in columns.values()
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_class(form)}>{html.escape(form(row[name]))}</td>"
            for name, (_, form) in columns.items()
        )
        + "</tr>"
        for row in found[:limit]
    )
    st.html(
        f'<div class="scrolls"><table class="figures"><caption>{html.escape(title)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if not found:
        st.caption("None.")
    elif len(found) > limit:
        st.caption(f"The first {limit} of {count(len(found))}.")


NUMBERS: tuple[Format, ...] = (count, number, money, reais, percent, change, seconds)
SHORT: tuple[Format, ...] = (day, moment, state)


def _class(form: Format) -> str:
    if form in NUMBERS:
        return ' class="number"'
    return ' class="short"' if form in SHORT else ""


def sql(what: str, *results: Result) -> None:
    """Shows the SQL behind a figure; it runs in any client, as it stands."""
    code(what, *(result.sql for result in results))


def code(what: str, *statements: str) -> None:
    """Shows SQL, folded."""
    with st.expander(f"SQL: {what}"):
        for statement in statements:
            st.code(f"{statement};", language="sql")


def values(rows: Iterable[Row], **shown: Format) -> list[dict[str, Any]]:
    """Returns rows for a chart: what is drawn is a float, what is told stays exact.

    A column that is formatted gets a neighbour, `<name>_shown`, for tooltips.
    """
    return [
        {name: _drawn(value) for name, value in row.items()}
        | {f"{name}_shown": form(row[name]) for name, form in shown.items()}
        for row in rows
    ]


def _drawn(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def chart(drawing: alt.Chart | alt.LayerChart, told_as: str) -> None:
    """Shows a chart; `told_as` is what a screen reader says of it."""
    st.altair_chart(drawing, width="stretch", alt=told_as)


def bars(
    rows: Sequence[dict[str, Any]], name: str, number: str, title: str, color: str | None = None
) -> alt.LayerChart:
    """Returns bars from the left, in the order of the rows, with their numbers.

    With a column for `color` they are stacked, and the numbers are tooltips.
    """
    shown = list(dict.fromkeys(row[name] for row in rows))
    # Beside a bar, there is room for its number.
    longest = max((row[number] or 0 for row in rows), default=0)
    room = alt.Undefined if color else alt.Scale(domain=[0, float(longest) * 1.4 or 1])
    base = alt.Chart(alt.InlineData(values=list(rows))).encode(
        y=alt.Y(
            f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=240, labelOverlap=False)
        ),
        x=alt.X(f"{number}:Q", title=title, scale=room, axis=alt.Axis(format="~s", tickCount=4)),
        tooltip=[
            alt.Tooltip(f"{name}:N", title=" "),
            *([alt.Tooltip(f"{color}:N", title=" ")] if color else []),
            alt.Tooltip(f"{number}_shown:N", title=title),
        ],
    )
    if color:
        # More kinds than a theme has colours.
        legend = alt.Legend(orient="top", columns=6)
        scale = alt.Scale(scheme="tableau20")
        layers = [
            base.mark_bar().encode(
                color=alt.Color(f"{color}:N", title=None, legend=legend, scale=scale)
            )
        ]
    else:
        labels = base.mark_text(align="left", dx=4, color="#808080")
        layers = [base.mark_bar(), labels.encode(text=f"{number}_shown:N")]
    return alt.LayerChart(layer=layers, height=24 * len(shown) + (150 if color else 70))


def choose(label: str, key: str, options: Sequence[str], default: str = ALL, **more: Any) -> str:
    """Asks for one of the options; the choice is in the URL, unless it is the default."""
    offered = list(dict.fromkeys([default, *options] if default not in options else options))
    # Streamlit takes what is not offered out of the URL, without a word.
    asked = st.query_params.get(key, default)
    chosen = st.selectbox(
        label, offered, index=offered.index(default), key=key, bind="query-params", **more
    )
    if asked not in offered:
        st.warning(f"No {label.lower()} is called {asked}: this is {chosen}.")
    return str(chosen)


def first_of(sql_text: str) -> list[Any]:
    """Returns the first column of a query's rows: what a filter offers."""
    result = ask(sql_text)
    return [row[result.columns[0]] for row in result.rows]
