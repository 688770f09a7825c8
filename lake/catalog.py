"""The lake's tables that are one file, as AWS Glue has them: the end of deploy/template.yaml.

Glue knows a table's columns and where its files are; Athena and Redshift read by that. Columns are
those that the dbt project documents. Iceberg tables are not here: Glue points to their newest
version, so that a publish tells it (lake/glue.py).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from common.errors import ConfigurationError
from lake.declaration import Table
from lake.glue import glue_name

MODELS = Path(__file__).resolve().parent.parent / "models"
# The end of the template, from this line on, is generated.
MARK = "  # The lake's tables that are one file. From here on written by `make deploy-tables`.\n"

TYPES = {
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "text": "string",
    "uuid": "string",
    "json": "string",
    "jsonb": "string",
}
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def glue_type(kind: str) -> str:
    """Returns Glue's type for PostgreSQL's; raises ConfigurationError if it has none."""
    if match := re.fullmatch(r"numeric\((\d+),(\d+)\)", kind):
        return f"decimal({match[1]},{match[2]})"
    if kind not in TYPES:
        raise ConfigurationError(f"type {kind}: the lake has no such type: cast it in the model")
    return TYPES[kind]


def columns(table: Table) -> list[tuple[str, str]]:
    """Returns names and PostgreSQL types of a table's columns, as its model documents them.

    Raises ConfigurationError if there is no such model.
    """
    found = [*MODELS.rglob(f"{table.relation}.yml")]
    if len(found) != 1:
        raise ConfigurationError(
            f"{table}: models/ has {len(found)} files {table.relation}.yml: keep one"
        )
    (model,) = yaml.safe_load(found[0].read_text(encoding="utf-8"))["models"]
    return [(column["name"], column["data_type"]) for column in model["columns"]]


def resources(tables: Sequence[Table]) -> str:
    """Returns the tables that are one file as CloudFormation resources, in YAML."""
    files = [table for table in tables if not table.partition_by]
    return "\n".join("\n".join(_resource(table)) + "\n" for table in files)


def write(tables: Sequence[Table], template: Path) -> None:
    """Puts the tables into a template, below its mark; raises ConfigurationError without one."""
    text = template.read_text(encoding="utf-8")
    head, mark, _ = text.partition(MARK)
    if not mark:
        raise ConfigurationError(f"{template}: expected the line {MARK.strip()!r}: put it back")
    template.write_text(f"{head}{mark}\n{resources(tables)}", encoding="utf-8")


def _resource(table: Table) -> Iterator[str]:
    name = "".join(part.capitalize() for part in f"{table.layer}_{table.name}".split("_"))
    yield f"  {name}:"
    yield "    Type: AWS::Glue::Table"
    yield "    Properties:"
    yield "      CatalogId: !Ref AWS::AccountId"
    yield "      DatabaseName: !Ref LakeDatabase"
    yield "      TableInput:"
    yield f"        Name: {glue_name(table)}"
    yield "        TableType: EXTERNAL_TABLE"
    yield "        StorageDescriptor:"
    yield f"          Location: !Sub s3://${{LakeBucket}}/{table}/"
    yield f"          InputFormat: {_PARQUET}.MapredParquetInputFormat"
    yield f"          OutputFormat: {_PARQUET}.MapredParquetOutputFormat"
    yield "          SerdeInfo:"
    yield f"            SerializationLibrary: {_PARQUET}.serde.ParquetHiveSerDe"
    yield "          Columns:"
    for column, kind in columns(table):
        yield f'            - {{Name: {column}, Type: "{glue_type(kind)}"}}'
