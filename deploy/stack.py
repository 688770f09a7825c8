"""Applies the template to an AWS account and removes it again: the plan first, then a question.

What the stack has to hold before it exists, its code, is in a bucket that is made beside it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from common.errors import ConfigurationError, LoadError
from deploy.package import Package

TEMPLATE = Path(__file__).with_name("template.yaml")
# What CloudFormation says if a template is what is there already.
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

Ask = Callable[[str], str]
Resource = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (!Ref, !Sub) as what they stand for."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Resource:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def read_template(path: Path = TEMPLATE) -> Resource:
    """Returns a template with the long names of its functions (Fn::Sub)."""
    # A subclass of the safe loader.
    template: Resource = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    return template


class Stack:
    """One installation of the template, by its name."""

    def __init__(self, name: str, ask: Ask | None = None) -> None:
        """Connects to the account that AWS_* or the profile names; raises ConfigurationError."""
        session = boto3.Session()
        if not session.region_name:
            raise ConfigurationError("no AWS region: set AWS_DEFAULT_REGION or a profile")
        self.name = name
        self._ask = ask or input
        self._region = session.region_name
        self._cloud = session.client("cloudformation")
        self._s3 = session.client("s3")
        self._rds = session.client("rds")
        with _errors("AWS"):
            self._account = session.client("sts").get_caller_identity()["Account"]
        self._code_bucket = f"{name}-code-{self._account}"

    def apply(self, package: Package, parameters: dict[str, str]) -> bool:
        """Shows what would change and, if the answer is yes, changes it; returns False if it is no.

        `parameters` are the template's; those that are not given stay as they are. Raises LoadError
        if AWS refuses.
        """
        with _errors(self.name):
            is_new = self._status() in ("", "REVIEW_IN_PROGRESS")
            key = self._put(package.path.read_bytes(), "loader", ".zip")
            template = self._put(TEMPLATE.read_bytes(), "template", ".yaml")
            given = parameters | {
                "CodeBucket": self._code_bucket,
                "CodeKey": key,
                "Runtime": package.python,
            }
            change_set = self._change_set(template, given, is_new)
            if change_set is None:
                print(f"{self.name}: nothing to change")
                return True
            self._show(change_set)
            if not self._agrees(f"Type {self.name} to apply this", self.name):
                self._cloud.delete_change_set(ChangeSetName=change_set["ChangeSetId"])
                if is_new:
                    self._cloud.delete_stack(StackName=self.name)
                print("Nothing was changed.")
                return False
            self._cloud.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
            self._wait("stack_create_complete" if is_new else "stack_update_complete")
            self._report()
        return True

    def destroy(self, delete_data: bool) -> bool:
        """Shows what would be removed and, if the answer is yes, removes it; returns whether.

        Buckets stay, and of the database a snapshot. To `delete_data`, the buckets, it asks again.
        """
        with _errors(self.name):
            if not self._status():
                print(f"{self.name}: there is no such stack in {self._region}")
                return False
            there = self._resources()
            buckets = [
                r["PhysicalResourceId"] for r in there if r["ResourceType"].endswith("Bucket")
            ]
            databases = [
                r["PhysicalResourceId"] for r in there if "::DBInstance" in r["ResourceType"]
            ]
            print(f"Stack {self.name} in {self._region}: {len(there)} resources would be removed.")
            for database in databases:
                print(f"  the database {database}, of which a snapshot stays, without its backups")
            for bucket in buckets:
                print(f"  the bucket {bucket}, {'with all it holds' if delete_data else 'stays'}")
            if not self._agrees(f"Type {self.name} to remove this", self.name):
                print("Nothing was removed.")
                return False
            sentence = f"delete the data of {self.name}"
            if delete_data and not self._agrees(f"Type '{sentence}' to delete it", sentence):
                print("Nothing was removed.")
                return False
            for database in databases:
                self._rds.modify_db_instance(
                    DBInstanceIdentifier=database, DeletionProtection=False, ApplyImmediately=True
                )
            self._cloud.delete_stack(StackName=self.name)
            self._wait("stack_delete_complete")
            # Of no value without the stack: `make deploy` fills it anew.
            for bucket in [self._code_bucket, *(buckets if delete_data else [])]:
                self._delete_bucket(bucket)
            print("Removed." if delete_data else f"Removed. {' and '.join(buckets)} stay.")
        return True

    def _status(self) -> str:
        """Returns CloudFormation's word for how the stack is; empty if there is none."""
        try:
            stacks = self._cloud.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return ""
        return str(stacks[0]["StackStatus"])

    def _put(self, content: bytes, name: str, suffix: str) -> str:
        """Puts content into the code bucket, which is made if it is missing; returns its key."""
        try:
            self._s3.head_bucket(Bucket=self._code_bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            place = {"LocationConstraint": self._region}
            here = {} if self._region == "us-east-1" else {"CreateBucketConfiguration": place}
            self._s3.create_bucket(Bucket=self._code_bucket, **here)
            self._s3.put_public_access_block(
                Bucket=self._code_bucket,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            )
        key = f"{name}-{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
        self._s3.put_object(Bucket=self._code_bucket, Key=key, Body=content)
        return key

    def _change_set(self, template: str, given: dict[str, str], is_new: bool) -> Resource | None:
        """Returns what CloudFormation would do; None if nothing."""
        known = read_template()["Parameters"]
        if unknown := given.keys() - known.keys():
            raise ConfigurationError(
                f"{', '.join(sorted(unknown))}: the template has no such parameter"
            )
        values = {name: str(each["Default"]) for name, each in known.items() if "Default" in each}
        if not is_new:
            # What somebody once chose stays.
            stack = self._cloud.describe_stacks(StackName=self.name)["Stacks"][0]
            values |= {
                each["ParameterKey"]: each["ParameterValue"]
                for each in stack.get("Parameters", [])
                if each["ParameterKey"] in known
            }
        values |= given
        parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()]
        made = self._cloud.create_change_set(
            StackName=self.name,
            ChangeSetName=f"plan-{hashlib.sha256(json.dumps(parameters).encode()).hexdigest()[:12]}",
            ChangeSetType="CREATE" if is_new else "UPDATE",
            # By address, because it is larger than a request may be.
            TemplateURL=f"https://{self._code_bucket}.s3.{self._region}.amazonaws.com/{template}",
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM"],
        )
        try:
            self._cloud.get_waiter("change_set_create_complete").wait(
                ChangeSetName=made["Id"], StackName=self.name, WaiterConfig={"Delay": 3}
            )
        except WaiterError as error:
            reason = str(error.last_response.get("StatusReason", error))
            self._cloud.delete_change_set(ChangeSetName=made["Id"])
            if any(words in reason for words in NO_CHANGES):
                return None
            raise LoadError(f"{self.name}: no plan: {reason}") from error
        found: Resource = self._cloud.describe_change_set(ChangeSetName=made["Id"])
        return found

    def _show(self, change_set: Resource) -> None:
        changes = list(change_set.get("Changes", []))
        while token := change_set.get("NextToken"):
            change_set = self._cloud.describe_change_set(
                ChangeSetName=change_set["ChangeSetId"], NextToken=token
            )
            changes += change_set.get("Changes", [])
        print(f"Stack {self.name} in {self._region}, account {self._account}:")
        for change in (each["ResourceChange"] for each in changes):
            note = {"True": "  REPLACED BY A NEW ONE", "Conditional": "  perhaps replaced"}
            replaced = note.get(change.get("Replacement", ""), "")
            print(
                f"  {change['Action']:<7} {change['LogicalResourceId']:<40} "
                f"{change['ResourceType']}{replaced}"
            )

    def _report(self) -> None:
        (stack,) = self._cloud.describe_stacks(StackName=self.name)["Stacks"]
        print(f"{stack['StackStatus']}: {self.name}")
        for output in stack.get("Outputs", []):
            print(f"  {output['OutputKey']:<16} {output['OutputValue']}")

    def _resources(self) -> Sequence[Resource]:
        pages = self._cloud.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [each for page in pages for each in page["StackResourceSummaries"]]

    def _wait(self, what: str) -> None:
        try:
            # A database takes 10 to 20 minutes.
            self._cloud.get_waiter(what).wait(
                StackName=self.name, WaiterConfig={"Delay": 10, "MaxAttempts": 360}
            )
        except WaiterError as error:
            events = self._cloud.describe_stack_events(StackName=self.name)["StackEvents"]
            failed = [each for each in events if each["ResourceStatus"].endswith("_FAILED")]
            # The first one made the others fail.
            last = failed[-1] if failed else {}
            raise LoadError(
                f"{self.name}: {last.get('LogicalResourceId', what)}: "
                f"{last.get('ResourceStatusReason', error)}"
            ) from error

    def _delete_bucket(self, name: str) -> None:
        try:
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=name)
            for page in pages:
                there = page.get("Versions", []) + page.get("DeleteMarkers", [])
                gone = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in there]
                if gone:
                    answer = self._s3.delete_objects(Bucket=name, Delete={"Objects": gone})
                    for error in answer.get("Errors", [])[:1]:
                        raise LoadError(f"s3://{name}/{error['Key']}: {error['Message']}")
            self._s3.delete_bucket(Bucket=name)
        except self._s3.exceptions.NoSuchBucket:
            return

    def _agrees(self, question: str, wanted: str) -> bool:
        try:
            return self._ask(f"{question}: ").strip() == wanted
        except EOFError:
            # Nobody is there to answer.
            print()
            return False


@contextmanager
def _errors(where: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise LoadError(f"{where}: {error}") from error
