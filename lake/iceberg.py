"""A partitioned table: an Iceberg table whose versions are in its own folder.

Readers of the lake have no login to any catalog. So the table is what Iceberg calls a file system
table: `metadata/v<N>.metadata.json` is its version N, which is written only if nobody has written
an N before, and `metadata/version-hint.text` says which is the newest. A publish is one version.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet
from pyiceberg.catalog import Catalog, MetastoreCatalog
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import ValidationError, ValidationException
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.partitioning import PartitionField, PartitionFieldValue, PartitionKey, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, StaticTable, Transaction
from pyiceberg.table import Table as Version
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import AddSchemaUpdate, AssertCreate, SetCurrentSchemaUpdate
from pyiceberg.table.update.snapshot import ExpireSnapshots, _OverwriteFiles
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import IcebergType, NestedField

from common.errors import ConfigurationError, LoadError
from common.storage import Bucket, iceberg_settings
from lake.files import File, arrow_schema, make_files
from lake.place import HINT, METADATA, OURS, UPLOADS, Place, Published, TableResult
from lake.snapshot import Dump

# How long a version stays readable after the next one has taken its place.
HISTORY_DAYS = 7
DAY_MS = 24 * 3600 * 1000
# The limit of file systems. (S3's, 1,024 for the whole key, is reached with four of these.)
MAX_NAME_BYTES = 255


def history_days() -> int:
    """Returns LAKE_HISTORY_DAYS; raises ConfigurationError if it is no number of days."""
    text = os.environ.get("LAKE_HISTORY_DAYS") or str(HISTORY_DAYS)
    if not text.isascii() or not text.isdigit():
        raise ConfigurationError(f"LAKE_HISTORY_DAYS: expected days, as {HISTORY_DAYS}: {text!r}")
    return int(text)


class _Versions(MetastoreCatalog, NoopCatalog):
    """What pyiceberg needs to commit to one table: the file of its next version."""

    def __init__(self, bucket: Bucket, name: str, newest: int) -> None:
        super().__init__("lake", **iceberg_settings())
        self._bucket = bucket
        self._name = name
        self.newest = newest

    def commit_table(self, table: Version, requirements: Any, updates: Any) -> CommitTableResponse:
        """Writes the next version; raises LoadError if somebody else has."""
        is_first = any(isinstance(each, AssertCreate) for each in requirements)
        staged = self._update_and_stage_table(
            None if is_first else table, table.name(), requirements, updates
        )
        file = f"metadata/v{self.newest + 1}.metadata.json"
        content = staged.metadata.model_dump_json(exclude_none=True)
        self._bucket.put_new(f"{self._name}/{file}", content.encode())
        self.newest += 1
        location = f"{staged.metadata.location}/{file}"
        return CommitTableResponse.model_construct(
            metadata=staged.metadata, metadata_location=location
        )


class _Replace(_OverwriteFiles):
    """Takes files from a table and adds others, as one snapshot."""

    def _existing_manifests(self) -> list[ManifestFile]:
        """Leaves lists out that only name files which are gone: pyiceberg keeps them for ever."""
        return [
            manifest
            for manifest in super()._existing_manifests()
            if manifest.has_added_files() or manifest.has_existing_files()
        ]


class IcebergTable(Place):
    """A table that is many files, of which readers see those of one version."""

    # What the lake shows, and what it will show.
    _former: Version | None
    version: Version
    _is_new: bool
    _transaction: Transaction
    # The files of the latter, by where they will be.
    _files: dict[str, tuple[File, DataFile]]

    def prepare(self, dump: Dump, folder: Path) -> None:
        """Makes the files, with the columns' ids of the table that the lake has."""
        with self._errors():
            converted = Catalog._convert_schema_if_needed(arrow_schema(dump))
            self._begin({field.name: field.field_type for field in converted.fields})
            schema = self._transaction.table_metadata.schema()
        files = make_files(dump, schema.as_arrow(), folder)
        spec = self._transaction.table_metadata.spec()
        described = [self._describe(file, schema, spec) for file in files]
        self._files = {
            each.file_path: (file, each) for file, each in zip(files, described, strict=True)
        }

    def publish(self) -> TableResult:
        """Writes new files, then the version that shows them, then which version is the newest."""
        location = f"{self.url}/"
        with self._errors():
            current = (
                {task.file.file_path: task.file for task in self._former.scan().plan_files()}
                if self._former
                else {}
            )
            missing = [
                (url.removeprefix(location), file)
                for url, (file, _) in self._files.items()
                if not self._has(url.removeprefix(location), file)
            ]
            with ThreadPoolExecutor(UPLOADS) as pool:
                list(pool.map(lambda each: self._put(each[0], each[1].path), missing))
            gone, new = current.keys() - self._files.keys(), self._files.keys() - current.keys()
            if gone or new:
                self._replace([current[url] for url in gone], [self._files[url][1] for url in new])
            self._expire()
            before = self._versions.newest
            self.version = self._transaction.commit_transaction()
            newest = str(self._versions.newest)
            if HINT not in self._there or self._read(HINT) != newest:
                self._put(HINT, newest.encode())
        self._is_new = self._versions.newest > before
        rows = sum(file.rows for file, _ in self._files.values())
        return TableResult(self.table, rows, len(self._files), len(missing), len(gone))

    def tidy(self) -> None:
        """Removes what no version shows: files of expired versions, and of publishes that died."""
        with self._errors():
            metadata = self.version.metadata
            shown = {self.version.metadata_location, f"{self.url}/{HINT}"}
            shown |= {entry.metadata_file for entry in metadata.metadata_log}
            manifests: dict[str, ManifestFile] = {}
            for snapshot in metadata.snapshots:
                shown.add(snapshot.manifest_list)
                manifests |= {each.manifest_path: each for each in snapshot.manifests(self._io)}
            with ThreadPoolExecutor(UPLOADS) as pool:
                for entries in pool.map(self._entries, manifests.values()):
                    shown |= {entry.data_file.file_path for entry in entries}
        shown |= manifests.keys()
        # Another warehouse may be about to show new ones. After our version, its own is refused.
        limit = datetime.now(UTC) - (timedelta(0) if self._is_new else timedelta(days=1))
        self._remove(
            [
                key
                for key, item in self._there.items()
                if OURS.fullmatch(key) and f"{self.url}/{key}" not in shown
                if item.modified_at < limit
            ]
        )

    def published(self) -> Published | None:
        """Returns what the newest version says of itself."""
        with self._errors():
            version = self._load()
            if version is None:
                return None
            snapshot = version.current_snapshot()
            summary = snapshot.summary if snapshot else None
            rows, files, size = (
                int(summary[f"total-{name}"] or 0) if summary else 0
                for name in ("records", "data-files", "files-size")
            )
            published_at = datetime.fromtimestamp(version.metadata.last_updated_ms / 1000, UTC)
        return Published(self.table, rows, files, size, published_at)

    def _load(self) -> Version | None:
        """Returns the newest version: as the one who wrote it was killed, the hint may lag."""
        found = [int(match[1]) for key in self._there if (match := METADATA.fullmatch(key))]
        self._versions = _Versions(self._bucket, self.table.name, max(found, default=0))
        if not found:
            return None
        location = f"{self.url}/metadata/v{self._versions.newest}.metadata.json"
        static = StaticTable.from_metadata(location, iceberg_settings())
        name = (self.table.layer, self.table.name)
        return Version(name, static.metadata, location, static.io, self._versions)

    def _begin(self, types: dict[str, IcebergType]) -> None:
        """Begins a version with these columns; with other partitions the table starts anew."""
        names = [name for name, _ in self.table.partition_by]
        self._former = self._load()
        if self._former:
            schema, metadata = self._former.schema(), self._former.metadata
            known = {field.name: field for field in schema.fields}
            same = {
                name: field for name, field in known.items() if types.get(name) == field.field_type
            }
            sources = [schema.find_column_name(f.source_id) for f in self._former.spec().fields]
            if sources == names and same.keys() >= set(names):
                self._transaction = self._former.transaction()
                if list(same) != list(types) or len(same) < len(known):
                    ids = count(metadata.last_column_id + 1)
                    fields = [
                        same.get(n) or _field(next(ids), n, kind) for n, kind in types.items()
                    ]
                    number = max(each.schema_id for each in metadata.schemas) + 1
                    updates = AddSchemaUpdate(schema=Schema(*fields, schema_id=number))
                    self._transaction._apply((updates, SetCurrentSchemaUpdate()))
                return
            self._former = None
        schema = Schema(*(_field(n, *each) for n, each in enumerate(types.items(), start=1)))
        spec = PartitionSpec(
            *(
                PartitionField(schema.find_field(name).field_id, number, IdentityTransform(), name)
                for number, name in enumerate(names, start=1000)
            )
        )
        self._transaction = self._versions.create_table_transaction(
            (self.table.layer, self.table.name), schema, self.url, spec
        )

    def _describe(self, file: File, schema: Schema, spec: PartitionSpec) -> DataFile:
        """Returns a file as the table's next version lists it: named by its content."""
        values = zip(spec.fields, file.partition, strict=True)
        key = PartitionKey([PartitionFieldValue(*each) for each in values], spec, schema)
        for folder in key.to_path().split("/"):
            if len(folder) > MAX_NAME_BYTES:
                raise LoadError(
                    f"{self.table}: too long for the name of a folder: {folder}; partition it by "
                    "less"
                )
        statistics = data_file_statistics_from_parquet_metadata(
            pyarrow.parquet.read_metadata(file.path),
            compute_statistics_plan(schema, {}),
            parquet_path_to_id_mapping(schema),
        )
        locations = load_location_provider(self.url, {})
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=locations.new_data_location(f"{file.sha256[:16]}.parquet", key),
            file_format=FileFormat.PARQUET,
            partition=key.partition,
            file_size_in_bytes=file.path.stat().st_size,
            spec_id=spec.spec_id,
            **statistics.to_serialized_dict(),
        )

    def _replace(self, gone: list[DataFile], new: list[DataFile]) -> None:
        has_former = self._transaction.table_metadata.current_snapshot_id is not None
        operation = Operation.OVERWRITE if has_former else Operation.APPEND
        with _Replace(operation, self._transaction, self._io) as snapshot:
            for file in gone:
                snapshot.delete_data_file(file)
            for file in new:
                snapshot.append_data_file(file)

    def _expire(self) -> None:
        """Forgets versions whose successor is old: nobody reads them any more."""
        snapshots = self._transaction.table_metadata.snapshots
        limit = time.time() * 1000 - history_days() * DAY_MS
        old = [a.snapshot_id for a, b in pairwise(snapshots) if b.timestamp_ms <= limit]
        if old:
            ExpireSnapshots(self._transaction).by_ids(old).commit()

    def _entries(self, manifest: ManifestFile) -> Any:
        return manifest.fetch_manifest_entry(self._io, discard_deleted=True)

    def _has(self, key: str, file: File) -> bool:
        there = self._there.get(key)
        return there is not None and there.size == file.path.stat().st_size

    def _read(self, key: str) -> str:
        with self._io.new_input(f"{self.url}/{key}").open() as content:
            return str(content.read(), errors="replace")

    def _put(self, key: str, content: bytes | Path) -> None:
        self._bucket.put(f"{self.table.name}/{key}", content)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Says of what goes wrong with the table's metadata which table it is about."""
        try:
            yield
        except (OSError, EOFError, ValueError, ValidationError, ValidationException) as error:
            message = " ".join(str(error).split())
            raise LoadError(
                f"{self.table}: {message}; see what AWS_* may do. If a file below {self.url} was "
                "removed or changed: remove that folder, and publish again"
            ) from error


def _field(number: int, name: str, kind: IcebergType) -> NestedField:
    return NestedField(number, name, kind, required=False)
