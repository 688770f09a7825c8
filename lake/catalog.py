"""The lake's tables as AWS Glue has them: what deploy/template.yaml declares of them.

Glue knows a table's columns and where its files are; Athena and Redshift read by that. Columns are
those that the dbt project documents. A partitioned table is read along `_current/files.txt`, so
that nobody sees files of two versions (docs/lake.md).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from common.errors import ConfigurationError
from lake.declaration import Table
from lake.publish import CURRENT

MODELS = Path(__file__).resolve().parent.parent / "models"
# The end of the template, from this line on, is generated.
MARK = "  # The lake's tables. From here on written by `make deploy-tables`.\n"

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
_HIVE = "org.apache.hadoop.hive.ql.io"
_SYMLINK = f"{_HIVE}.SymlinkTextInputFormat"
_TEXT = f"{_HIVE}.HiveIgnoreKeyTextOutputFormat"
_FORMATS = {
    "parquet": (
        f"{_HIVE}.parquet.MapredParquetInputFormat",
        f"{_HIVE}.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.parquet.serde.ParquetHiveSerDe",
    ),
    # A line is one column: \001, which separates others, is in no JSON.
    "jsonl": (
        "org.apache.hadoop.mapred.TextInputFormat",
        _TEXT,
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    ),
}


def glue_name(table: Table) -> str:
    """Returns a table's name in Glue: of gold the mart's own, else with the layer before it."""
    return table.name if table.layer == "gold" else f"{table.layer}_{table.name}"


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
    if table.record:
        return [(table.record, "text")]
    found = [*MODELS.rglob(f"{table.relation}.yml")]
    if len(found) != 1:
        raise ConfigurationError(
            f"{table}: models/ has {len(found)} files {table.relation}.yml: keep one"
        )
    (model,) = yaml.safe_load(found[0].read_text(encoding="utf-8"))["models"]
    return [(column["name"], column["data_type"]) for column in model["columns"]]


def resources(tables: Sequence[Table]) -> str:
    """Returns the tables as CloudFormation resources, in YAML."""
    return "\n".join("\n".join(_resource(table)) + "\n" for table in tables)


def write(tables: Sequence[Table], template: Path) -> None:
    """Puts the tables into a template, below its mark; raises ConfigurationError without one."""
    text = template.read_text(encoding="utf-8")
    head, mark, _ = text.partition(MARK)
    if not mark:
        raise ConfigurationError(f"{template}: expected the line {MARK.strip()!r}: put it back")
    template.write_text(f"{head}{mark}\n{resources(tables)}", encoding="utf-8")


def _resource(table: Table) -> Iterator[str]:
    name = "".join(part.capitalize() for part in f"{table.layer}_{table.name}".split("_"))
    input_format, output_format, serde = _FORMATS[table.format]
    folder = f"{table}/"
    if table.partition_by:
        input_format, output_format = _SYMLINK, _TEXT
        folder += f"{CURRENT.partition('/')[0]}/"
    yield f"  {name}:"
    yield "    Type: AWS::Glue::Table"
    yield "    Properties:"
    yield "      CatalogId: !Ref AWS::AccountId"
    yield "      DatabaseName: !Ref LakeDatabase"
    yield "      TableInput:"
    yield f"        Name: {glue_name(table)}"
    yield "        TableType: EXTERNAL_TABLE"
    yield "        StorageDescriptor:"
    yield f"          Location: !Sub s3://${{LakeBucket}}/{folder}"
    yield f"          InputFormat: {input_format}"
    yield f"          OutputFormat: {output_format}"
    yield "          SerdeInfo:"
    yield f"            SerializationLibrary: {serde}"
    yield "          Columns:"
    for column, kind in columns(table):
        yield f'            - {{Name: {column}, Type: "{glue_type(kind)}"}}'
