"""What tests/ has for all tests; here, a test's own warehouse is a lakehouse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse
from tests.conftest import (  # noqa: F401
    environment,
    forkserver,
    new_warehouse,
    nothing_set,
    own_name,
    query,
    rows_of,
    run_module,
    s3,
    s3_bucket,
    server,
    shared_folder,
    small_bucket,
)
from tests.faults.conftest import fork, look, versions  # noqa: F401
from tests.lakehouse import lakehouse


@pytest.fixture
def warehouse(new_warehouse: Callable[..., Warehouse], tmp_path: Path) -> Lakehouse:  # noqa: F811
    """An empty lakehouse of the test's own."""
    return lakehouse(new_warehouse(), tmp_path / "lakehouse")
