"""The sample bucket of this clone: what is loaded while no other bucket is named."""

import fcntl
import os
import shutil
from pathlib import Path

from local import STATE
from local.sample import FOLDERS, generate


def ensure_sample(state: Path = STATE) -> Path:
    """Returns the sample bucket's folder, written first if it is missing or of another scale.

    The scale is SCALE in the environment (1 = AdventureWorks' own row counts), or that of the
    bucket that is there. Raises ValueError for a SCALE that is no positive number.
    """
    folder = state / "bucket"
    marker = folder / ".scale"
    state.mkdir(parents=True, exist_ok=True)
    with (state / "bucket.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        present = marker.read_text() if marker.exists() else None
        wanted = os.environ.get("SCALE") or present or "1"
        # A sample that an older version of this project wrote lacks folders.
        if wanted != present or not all((folder / name).is_dir() for name in FOLDERS):
            shutil.rmtree(folder, ignore_errors=True)
            generate(float(wanted), folder)
            marker.write_text(wanted)
    return folder
