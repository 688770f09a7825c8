"""What tests/ has for all tests; here, a test's own warehouse is a lakehouse."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse
from local.spark import Cluster
from tests.conftest import (  # noqa: F401
    environment,
    exclusive,
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
    used_by_all,
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
    shared_folder: Path,  # noqa: F811
) -> Lakehouse:
    """The lakehouse of the cluster, at first empty."""
    made, folder = shared_folder / "database", shared_folder / "of_cluster"
    with exclusive(shared_folder, "of_cluster"):
        if not made.exists():
            made.write_text(json.dumps(vars(new_warehouse(name=folder.name))))
        return lakehouse(Warehouse(**json.loads(made.read_text())), folder)


@pytest.fixture(scope="session")
def own_cluster(shared_folder: Path) -> Iterator[Cluster]:  # noqa: F811
    """A cluster of the tests' own, which does not run yet; all workers share it."""
    cluster = Cluster(shared_folder / "spark")
    with used_by_all(shared_folder, "spark", cluster.stop):
        yield cluster


@pytest.fixture(scope="session")
def cluster(own_cluster: Cluster, lakehouse_of_cluster: Lakehouse) -> dict[str, str]:
    """Starts it, and returns the variables that name it and its lakehouse."""
    return {**lakehouse_of_cluster.variables(), **own_cluster.start(lakehouse_of_cluster)}
