"""The sample bucket of this clone: what is loaded while no other bucket is named."""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from local import STATE, sample
from local.sample import generate


def ensure_sample(state: Path = STATE) -> Path:
    """Returns the sample bucket's folder, written first if it is missing or out of date.

    The scale is SCALE in the environment (1 = AdventureWorks' own row counts), or that of the
    bucket that is there. One that another version of the generator wrote is out of date. Raises
    ValueError for a SCALE that is no positive number.
    """
    folder = state / "bucket"
    marker = folder / ".scale"
    state.mkdir(parents=True, exist_ok=True)
    with (state / "bucket.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        present = marker.read_text().split() if marker.exists() else []
        wanted = [os.environ.get("SCALE") or next(iter(present), "1"), _generator()]
        if wanted != present:
            shutil.rmtree(folder, ignore_errors=True)
            generate(float(wanted[0]), folder)
            marker.write_text(" ".join(wanted))
    return folder


def _generator() -> str:
    """Returns a digest of the generator's code: a sample that an older one wrote is renewed."""
    digest = hashlib.sha256()
    for file in sorted(Path(sample.__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
