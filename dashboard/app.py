"""The dashboard's pages, and how one comes from one to another."""

from pathlib import Path

# First of all: Streamlit and Altair import it late, and Altair takes what it finds of it, which is
# half of it while another thread is at it.
import pandas as pd  # type: ignore[import-untyped]  # noqa: F401
import streamlit as st

PAGES = Path(__file__).parent / "pages"
st.set_page_config(page_title="Warehouse", page_icon="🏬", layout="wide")
st.navigation(
    {
        "Business": [
            st.Page(PAGES / "sales.py", title="Sales", icon=":material/payments:", default=True),
            st.Page(PAGES / "breweries.py", title="Breweries", icon=":material/sports_bar:"),
            st.Page(PAGES / "census.py", title="Census", icon=":material/groups:"),
            st.Page(PAGES / "condominiums.py", title="Condominiums", icon=":material/apartment:"),
            st.Page(PAGES / "questions.py", title="The five questions", icon=":material/quiz:"),
        ],
        "Warehouse": [
            st.Page(PAGES / "operations.py", title="Operations", icon=":material/monitor_heart:"),
        ],
    }
).run()
