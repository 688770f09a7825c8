"""Serves the dashboard until Ctrl-C: `make dashboard`.

It runs where dbt is installed, and fills in what the environment leaves open. Then Streamlit, in an
environment of its own, takes its place.
"""

import os
import sys
from pathlib import Path

from common.errors import ConfigurationError, exit_codes
from common.warehouse import find_warehouse
from local.defaults import local_defaults
from orchestrate.project import code_digest

ROOT = Path(__file__).resolve().parent.parent
STREAMLIT = ROOT / ".venv-dashboard" / "bin" / "streamlit"


@exit_codes(OSError)
def main() -> int:
    """Becomes Streamlit; returns 1 if the server does not start, 2 on wrong configuration."""
    if (os.environ.get("ENGINE") or "postgres") != "postgres":
        raise ConfigurationError("ENGINE: the dashboard reads PostgreSQL alone: unset it")
    with local_defaults():
        # Under this name the last build kept the compiled answers: pages/questions.py.
        os.environ["DASHBOARD_CODE"] = code_digest(find_warehouse().database)
        # app.py finds its neighbours, whatever the folder that make was called in.
        os.environ["PYTHONPATH"] = str(ROOT)
        port = os.environ.get("DASHBOARD_PORT") or "8501"
        print(f"The dashboard is on http://127.0.0.1:{port}; Ctrl-C ends it.", flush=True)
        os.execv(  # noqa: S606 - our own program and arguments
            STREAMLIT,
            [str(STREAMLIT), "run", str(ROOT / "dashboard" / "app.py"), "--server.port", port],
        )


if __name__ == "__main__":
    sys.exit(main())
