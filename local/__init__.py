"""What stands in for the cloud on one machine: a PostgreSQL server and a bucket of sample files."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Everything that belongs to this machine alone: server, sample bucket, scratch files. Not in git.
STATE = ROOT / ".local"
