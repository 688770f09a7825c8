"""The way in which dbt can fail, apart from `dbt` so that naming it costs no slow import."""


class DbtError(Exception):
    """dbt could not run, or could not do what was asked; the message says what and why."""
