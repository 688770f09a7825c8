"""moto's server, taught what the template needs and moto's CloudFormation does not know.

Beyond moto: Glue's tables, buckets' events, the secret that RDS makes, and, so that permissions on
single secrets count, which secret a request is about. What it still leaves out is in MISSING; what
it makes, it makes as moto does: no network, no PostgreSQL, no function runs.

`make mock-aws` serves it until it is stopped.
"""

import json
from typing import Any
from unittest.mock import patch

from moto.cloudformation import models, responses
from moto.cloudformation.utils import yaml_tag_constructor
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.glue.models import glue_backends
from moto.iam.models import Role
from moto.rds.models import DBInstance, rds_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.server import ThreadedMotoServer

# Types of the template that exist on AWS only.
MISSING = {
    "AWS::Athena::WorkGroup",
    "AWS::CloudWatch::Alarm",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}

Json = dict[str, Any]


class GlueDatabase(CloudFormationModel):
    """AWS::Glue::Database, whose Ref is its name."""

    def __init__(self, name: str) -> None:
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Glue::Database"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> "GlueDatabase":
        found = cloudformation_json["Properties"]["DatabaseInput"]
        glue_backends[account_id][region_name].create_database(found["Name"], found)
        return cls(found["Name"])

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str
    ) -> None:
        glue_backends[account_id][region_name].delete_database(resource_name)


class GlueTable(CloudFormationModel):
    """AWS::Glue::Table, whose Ref is its name."""

    def __init__(self, name: str) -> None:
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Glue::Table"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> "GlueTable":
        found = cloudformation_json["Properties"]
        table = found["TableInput"]
        backend = glue_backends[account_id][region_name]
        backend.create_table(found["DatabaseName"], table["Name"], table)
        return cls(table["Name"])

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str
    ) -> None:
        """Goes with its database."""


def teach() -> None:
    """Makes moto read more of a bucket, of a database, and of the names of attributes."""
    make_bucket = FakeBucket.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]
    make_database = DBInstance.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]
    make_role = Role.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]
    attribute = DBInstance.get_cfn_attribute

    def bucket(cls: Any, /, name: str, body: Json, account: str, region: str, **more: Any) -> Any:
        made = make_bucket(cls, name, body, account, region, **more)
        found = body["Properties"]
        if found.get("VersioningConfiguration", {}).get("Status") == "Enabled":
            s3_backends[account]["aws"].put_bucket_versioning(name, "Enabled")
        queues = found.get("NotificationConfiguration", {}).get("QueueConfigurations", [])
        if queues:
            # The API takes a list where CloudFormation takes one.
            wanted = [{**each, "Event": [each["Event"]]} for each in queues]
            made.set_notification_configuration({"QueueConfiguration": wanted})
        return made

    def role(cls: Any, /, name: str, body: Json, account: str, region: str, **more: Any) -> Any:
        for policy in body["Properties"].get("Policies", []):
            # As text, which moto's own checks of permissions read.
            policy["PolicyDocument"] = json.dumps(policy["PolicyDocument"])
        return make_role(cls, name, body, account, region, **more)

    def database(cls: Any, /, name: str, body: Json, account: str, region: str, **more: Any) -> Any:
        backend = rds_backends[account][region]
        create = backend.create_db_instance
        managed = body["Properties"].get("ManageMasterUserPassword")

        def create_managed(kwargs: Json) -> Any:
            return create({**kwargs, "manage_master_user_password": managed in (True, "true")})

        with patch.object(backend, "create_db_instance", create_managed):
            return make_database(cls, name, body, account, region, **more)

    def get_attribute(self: DBInstance, name: str) -> Any:
        # In a Sub, moto takes the first part of an attribute's name for the whole.
        if name.partition(".")[0] == "MasterUserSecret":
            return self.master_user_secret.secret_arn
        return attribute(self, name)

    def delete_routes(cls: Any, /, name: str, body: Json, account: str, region: str) -> None:
        backend = ec2_backends[account][region]
        for association in list(backend.get_route_table(name)._associations):
            backend.disassociate_route_table(association)
        backend.delete_route_table(name)

    def short_form(loader: Any, tag: str, node: Any) -> Any:
        if tag == "!GetAtt":
            return {"Fn::GetAtt": node.value.split(".", 1)}
        return yaml_tag_constructor(loader, tag, node)

    def resource(self: SecretsManagerResponse) -> str:
        return str(self._get_param("SecretId") or "*")

    changed: Any = (FakeBucket, DBInstance, SecretsManagerResponse, RouteTable, Role)
    changed[0].create_from_cloudformation_json = classmethod(bucket)
    changed[1].create_from_cloudformation_json = classmethod(database)
    changed[1].get_cfn_attribute = get_attribute
    changed[2]._determine_resource = resource
    changed[3].delete_from_cloudformation_json = classmethod(delete_routes)
    changed[4].create_from_cloudformation_json = classmethod(role)
    cloudformation: Any = (models, responses)
    for module in cloudformation:
        module.yaml_tag_constructor = short_form


def serve(port: int = 0) -> ThreadedMotoServer:
    """Starts the mock; the caller stops it."""
    teach()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    return server
