"""A warehouse that is loaded and built by users with no more than their role."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import Warehouse
from local.postgres import make_roles

SOURCE = "adventure_works"
ROLES = ("loader", "transformer", "reader")


@dataclass(frozen=True)
class Staffed:
    """A warehouse, how its administrator and a user of each role log in, and dbt's manifest."""

    administrator: Warehouse
    users: dict[str, Warehouse]
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def with_users() -> Callable[[Warehouse], dict[str, Warehouse]]:
    """Makes the roles on a warehouse, as local/roles.sql says, and a user of each."""

    def make(warehouse: Warehouse) -> dict[str, Warehouse]:
        # Twice: nothing in it may trip over what is there already.
        make_roles(warehouse.variables())
        make_roles(warehouse.variables())
        users = {}
        with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
            for role in ROLES:
                name, password = f"{warehouse.database}_{role}", secrets.token_urlsafe(24)
                cursor.execute(f"create role {name} login password %s in role {role}", (password,))
                cursor.execute(f"alter role {name} set role = {role}")
                users[role] = Warehouse(
                    host=warehouse.host,
                    port=warehouse.port,
                    user=name,
                    database=warehouse.database,
                    password=password,
                )
        return users

    return make


@pytest.fixture(scope="session")
def staffed(
    new_warehouse: Callable[[], Warehouse],
    with_users: Callable[[Warehouse], dict[str, Warehouse]],
    small_bucket: Path,
    run_module: Callable[..., subprocess.CompletedProcess[str]],
    dbt: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Staffed:
    """Loaded and built twice, with new files: dbt makes its tables anew, and so must the grants."""
    administrator = new_warehouse()
    users = with_users(administrator)
    target = tmp_path_factory.mktemp("staffed")
    bucket = target / "bucket"
    shutil.copytree(small_bucket, bucket)
    for load in range(2):
        # The same rows, and another version of each file.
        for path in bucket.rglob("*.csv"):
            path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n") + b"\n")
        done = run_module(
            "extract", "load", SOURCE, BUCKET_URL=str(bucket), **users["loader"].variables()
        )
        assert done.returncode == 0, done.stderr
        assert "unchanged" not in done.stdout
        # The tests, once: they read raw, too.
        without = ("unit_test",) if load else ("unit_test", "test")
        dbt(
            users["transformer"],
            *("--write-json", "build", "--select", f"@source:{SOURCE}"),
            "+path:models/marts/operations",
            *("--exclude-resource-type", *without),
            target=target / "target",
        )
    manifest = json.loads((target / "target" / "manifest.json").read_text(encoding="utf-8"))
    return Staffed(administrator, users, manifest)
