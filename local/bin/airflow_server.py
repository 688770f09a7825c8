"""Airflow's three programs, until Ctrl-C or until one of them ends: `make airflow`.

Not `airflow standalone`: it serves its logs on all interfaces, and starts a triggerer, which no
task of ours needs.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = {
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "api-server": ["api-server"],
}
airflow = Path(__file__).resolve().with_name("airflow")
logs = Path(__file__).resolve().parents[2] / ".local" / "airflow"
signal.signal(signal.SIGTERM, signal.default_int_handler)
running = {}
try:
    for name, arguments in PROGRAMS.items():
        with (logs / f"{name}.log").open("w") as log:
            running[name] = subprocess.Popen([airflow, *arguments], stdout=log, stderr=log)  # noqa: S603
    port = os.environ.get("AIRFLOW__API__PORT", "8081")
    print(f"Airflow: http://127.0.0.1:{port}/dags/warehouse in a moment; no login; Ctrl-C ends it")
    sys.stdout.flush()
    while not (ended := [name for name, each in running.items() if each.poll() is not None]):
        time.sleep(1)
    sys.exit(f"error: Airflow's {ended[0]} ended; see .local/airflow/{ended[0]}.log")
except KeyboardInterrupt:
    pass
finally:
    for each in running.values():
        each.terminate()
    for each in running.values():
        each.wait()
