"""What the template promises, read from it: who may do what, what is private, what is kept."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.handler import RESERVE_SECONDS
from deploy.stack import read_template
from extract.declaration import read_sources

ROOT = Path(__file__).parents[2]
RESOURCES: dict[str, Any] = read_template()["Resources"]
# Actions for which AWS knows no ARNs.
WITHOUT_ARN = {
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ecr:GetAuthorizationToken",
}


def of_type(kind: str) -> dict[str, Any]:
    return {name: each for name, each in RESOURCES.items() if each["Type"] == f"AWS::{kind}"}


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, each in RESOURCES.items():
        properties = each.get("Properties", {})
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        if "PolicyDocument" in properties:
            documents.append(properties["PolicyDocument"])
        for document in documents:
            yield from ((name, statement) for statement in document["Statement"])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_nobody_may_do_everything_or_with_everything() -> None:
    allowed = [(name, each) for name, each in statements() if each["Effect"] == "Allow"]
    assert len(allowed) > 15
    for name, each in allowed:
        actions = set(as_list(each["Action"]))
        assert not any("*" in action for action in actions), (name, actions)
        if "*" in as_list(each["Resource"]):
            assert actions <= WITHOUT_ARN, (name, actions)
        # Principals of resource policies are services, bound to this account.
        if "Principal" in each:
            assert set(each["Principal"]) == {"Service"}, name
            assert "aws:SourceAccount" in each["Condition"]["StringEquals"], name


def test_buckets_are_private_encrypted_versioned_kept_and_reached_by_tls_only() -> None:
    buckets = of_type("S3::Bucket")
    assert set(buckets) == {"LandingBucket", "LakeBucket"}
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        assert all(properties["PublicAccessBlockConfiguration"].values()), name
        assert len(properties["PublicAccessBlockConfiguration"]) == 4, name
        assert properties["BucketEncryption"], name
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}, name
        assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain", name
    denied = {
        str(each["Resource"][0])
        for _, each in statements()
        if each["Effect"] == "Deny"
        and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and each["Action"] == "s3:*"
        and each["Principal"] == "*"
    }
    assert denied == {str({"Fn::GetAtt": [name, "Arn"]}) for name in buckets}


def test_the_database_is_private_encrypted_and_kept() -> None:
    (database,) = of_type("RDS::DBInstance").values()
    assert database["DeletionPolicy"] == database["UpdateReplacePolicy"] == "Snapshot"
    properties = database["Properties"]
    assert not properties["PubliclyAccessible"]
    assert properties["StorageEncrypted"]
    assert properties["DeletionProtection"]
    assert properties["BackupRetentionPeriod"] >= 7
    assert properties["ManageMasterUserPassword"]
    assert "MasterUserPassword" not in properties
    # Reached by groups, not by addresses.
    rules = RESOURCES["DatabaseGroup"]["Properties"]["SecurityGroupIngress"]
    assert [sorted(rule) for rule in rules] == [
        ["FromPort", "IpProtocol", "SourceSecurityGroupId", "ToPort"]
    ]
    private = {"PrivateSubnetA", "PrivateSubnetB"}
    subnets = RESOURCES["DatabaseSubnets"]["Properties"]["SubnetIds"]
    assert {each["Ref"] for each in subnets} == private
    # Their routes lead nowhere but to S3.
    routes = of_type("EC2::Route").values()
    assert {each["Properties"]["RouteTableId"]["Ref"] for each in routes} == {"BuildRoutes"}


def test_a_build_may_tell_glue_what_a_publish_tells_it_and_no_more() -> None:
    task = RESOURCES["BuildTask"]["Properties"]["ContainerDefinitions"][0]
    variables = {each["Name"]: each["Value"] for each in task["Environment"]}
    assert variables["LAKE_GLUE_DATABASE"] == {"Ref": "LakeDatabase"}
    calls = re.findall(r"glue\.(\w+_table)\(", (ROOT / "lake/glue.py").read_text(encoding="utf-8"))
    (allowed,) = (
        set(each["Action"])
        for name, each in statements()
        if name == "BuildRole" and "glue" in str(each["Action"])
    )
    assert allowed == {f"glue:{call.title().replace('_', '')}" for call in calls}


def test_messages_are_returned_one_by_one_and_none_is_lost() -> None:
    queue, dead = RESOURCES["Queue"]["Properties"], RESOURCES["DeadLetters"]["Properties"]
    function = RESOURCES["Function"]["Properties"]
    events = RESOURCES["FunctionEvents"]["Properties"]
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]
    assert function["Timeout"] > 2 * RESERVE_SECONDS
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
    assert dead["MessageRetentionPeriod"] == 1209600
    assert events["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    variables = function["Environment"]["Variables"]
    # All that can be written to.
    assert {variables[name].split("/")[1] for name in ("WORK_DIR", "DLT_DATA_DIR")} == {"tmp"}
    assert not {name for name in variables if "PASSWORD" in name or "USER" in name}


def test_the_schedule_names_all_sources_of_files() -> None:
    named = read_template()["Parameters"]["ScheduledSources"]["Default"]
    files = [source.name for source in read_sources().values() if not source.api]
    assert re.findall(r'"(\w+)"', named) == ["sources", *files]


def test_every_alarm_tells_somebody_and_is_explained() -> None:
    alarms = of_type("CloudWatch::Alarm")
    assert len(alarms) == 6
    text = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    for name, alarm in alarms.items():
        properties = alarm["Properties"]
        assert properties["AlarmActions"] == properties["OKActions"] == [{"Ref": "Alerts"}], name
        ending = properties["AlarmName"]["Fn::Sub"].replace("${AWS::StackName}", "…")
        assert f"| `{ending}` |" in text, f"deploy/README.md does not explain {ending}"


def test_the_runtimes_are_the_pythons_that_are_supported() -> None:
    runtimes = read_template()["Parameters"]["Runtime"]["AllowedValues"]
    assert runtimes == ["python3.11", "python3.12", "python3.13"]


@pytest.mark.parametrize("kind", ["Logs::LogGroup"])
def test_logs_end(kind: str) -> None:
    assert {each["Properties"]["RetentionInDays"] for each in of_type(kind).values()} == {90}
