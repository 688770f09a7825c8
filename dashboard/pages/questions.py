"""The five questions: each with its answer, its SQL, and all of it as a file."""

import os

import streamlit as st

from dashboard import show
from dashboard.warehouse import NotAllowedError, NotBuiltError, Result, as_csv, ask, role
from orchestrate.project import Answer, recall

SOURCE = "adventure_works"
SHOWN = 15


def answers() -> list[Answer]:
    """Returns the questions with their SQL, as the last build of this code compiled it."""
    known = recall(os.environ.get("DASHBOARD_CODE", ""))
    if known is None:
        raise NotBuiltError(
            "The questions of this state of the code are not compiled yet: `make run` does it, and "
            "`make dashboard` shows them."
        )
    return [answer for answer in known.answers if answer.name.startswith("q")]


def show_answer(answer: Answer) -> None:
    """Shows a question, the first rows of its answer, and its SQL."""
    number = answer.name.partition("_")[0].removeprefix("q")
    st.subheader(answer.description.strip())
    sql = answer.sql.strip()
    with show.told():
        try:
            # It has no parameters: a % in it is a %. Answers may have a row per customer.
            text = sql.replace("%", "%%")
            found = ask(
                f"select *, count(*) over () as all_rows from (\n{text}\n) as answer limit {SHOWN}"
            )
        except NotAllowedError as error:
            show.code(f"question {number}", sql)
            raise NotAllowedError(
                f"This answer names persons, whom the role `{role()}` may not see. Whoever may, "
                "runs `make answers`, or the SQL."
            ) from error
        count = found.rows[0]["all_rows"] if found.rows else 0
        forms = {
            column: (column.replace("_", " "), _form(column, found))
            for column in found.columns
            if column != "all_rows"
        }
        is_cut = count > len(found.rows)
        show.table(
            f"{show.count(count)} rows{f', the first {SHOWN}' if is_cut else ''}", found.rows, forms
        )
        st.download_button(
            f"Download all {show.count(count)} rows as CSV",
            lambda: as_csv(sql),
            file_name=f"{answer.name}.csv",
            mime="text/csv",
            on_click="ignore",
        )
        show.code(f"question {number}", sql)


def _form(column: str, found: Result) -> show.Format:
    """Returns how to show a column of which nothing but its name and its values is known."""
    is_number = any(show.is_number(row[column]) for row in found.rows)
    return show.number if is_number and not column.endswith("_id") else show.text


show.head(
    "The five questions", "What the business asked first, and the answers of today.", [SOURCE]
)
with show.told():
    found = answers()
    names = [f"Question {place}" for place in range(1, len(found) + 1)]
    for tab, each in zip(st.tabs(names, key="question", bind="query-params"), found, strict=True):
        # What nobody looks at is not asked for.
        if tab.open:
            with tab:
                show_answer(each)
