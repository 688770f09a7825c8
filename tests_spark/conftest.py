"""What tests/ has for all tests; here, a test's own warehouse is a lakehouse."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse
from local.spark import Cluster
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


@pytest.fixture(scope="session")
def lakehouse_of_cluster(
    new_warehouse: Callable[..., Warehouse],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Lakehouse:
    """The lakehouse of the session's cluster, at first empty."""
    return lakehouse(new_warehouse(), tmp_path_factory.mktemp("of_cluster"))


@pytest.fixture(scope="session")
def own_cluster(shared_folder: Path) -> Iterator[Cluster]:  # noqa: F811
    """A cluster of this session's own, which does not run yet."""
    cluster = Cluster(shared_folder / f"spark_{os.getpid()}")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def cluster(own_cluster: Cluster, lakehouse_of_cluster: Lakehouse) -> dict[str, str]:
    """Starts it, and returns the variables that name it and its lakehouse."""
    return {**lakehouse_of_cluster.variables(), **own_cluster.start(lakehouse_of_cluster)}
