"""MetricFlow's command line, on the project as it is now: `local/bin/mf`."""

import sys

from dbt.cli.main import dbtRunner
from update_checker import UpdateChecker

# It would ask the package index for a newer version of itself at every start.
UpdateChecker.check = lambda *_: None
if not dbtRunner().invoke(["--quiet", "parse"]).success:
    sys.exit(1)

from dbt_metricflow.cli.main import cli  # noqa: E402

sys.argv[0] = "mf"
cli()
