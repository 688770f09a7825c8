"""The five questions: each with its answer, its SQL, and all of it as a file."""

import csv
import io
import os

import streamlit as st

from dashboard import show
from dashboard.warehouse import NotAllowedError, NotBuiltError, Result, ask, role
from orchestrate.project import Answer, recall

SOURCE = "adventure_works"
SHOWN = 15


def answers() -> list[Answer]:
    """Returns the questions with their SQL, as the last build of this code compiled it."""
    known = recall(os.environ.get("DASHBOARD_CODE", ""))
    if known is None:
        raise NotBuiltError(
            "The questions of this state of the code are not compiled yet: `make run` does it."
        )
    return [answer for answer in known.answers if answer.name[:1] == "q"]


def as_csv(found: Result) -> str:
    """Returns all rows as CSV; numbers as PostgreSQL has them, to the last digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows(row.values() for row in found.rows)
    return text.getvalue()


def show_answer(answer: Answer) -> None:
    """Shows a question, the first rows of its answer, and its SQL."""
    number, _, name = answer.name.partition("_")
    st.subheader(f"{number[1:]}. {answer.description.strip()}")
    with show.told():
        try:
            # The SQL has no parameters: a % in it is a %.
            found = ask(answer.sql.replace("%", "%%"))
        except NotAllowedError as error:
            with st.expander(f"SQL: question {number[1:]}"):
                st.code(f"{answer.sql.strip()};", language="sql")
            raise NotAllowedError(
                f"This answer names persons, whom the role `{role()}` may not see. Whoever may runs "
                "`make answers`, or the SQL."
            ) from error
        forms = {
            column: (
                column.replace("_", " "),
                show.number
                if any(show.is_number(row[column]) for row in found.rows) and column[-3:] != "_id"
                else show.text,
            )
            for column in found.columns
        }
        show.table(f"{show.count(len(found.rows))} rows", found.rows, forms, limit=SHOWN)
        st.download_button(
            "Download as CSV",
            lambda: as_csv(found),
            file_name=f"{answer.name}.csv",
            mime="text/csv",
            key=f"csv_{answer.name}",
            on_click="ignore",
            help=f"All {show.count(len(found.rows))} rows of {name.replace('_', ' ')}.",
        )
        show.sql(f"question {number[1:]}", found)


show.head(
    "The five questions", "What the business asked first, and the answers of today.", [SOURCE]
)
with show.told():
    for each in answers():
        show_answer(each)
