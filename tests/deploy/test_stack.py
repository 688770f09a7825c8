"""The stack on a mock of AWS: planned, applied, used by the function as its role, and removed."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from common.errors import ConfigurationError
from common.warehouse import Warehouse
from deploy.__main__ import main
from deploy.package import Package
from deploy.stack import Stack, read_template
from tests.deploy.conftest import Invoked, failures
from tests.deploy.mock_aws import MISSING, serve
from tests.moto_server import moto_variables

Invoke = Callable[..., Invoked]
Query = Callable[[str], list[tuple[Any, ...]]]
FILE = "census/Adult.data"


@pytest.fixture(scope="module")
def cloud() -> Iterator[dict[str, str]]:
    """A mock of AWS; the variables that point at it."""
    server = serve()
    yield moto_variables(server)
    server.stop()


@pytest.fixture
def aws(cloud: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The same, set: programs and boto3 reach the mock."""
    for name, value in cloud.items():
        monkeypatch.setenv(name, value)
    # boto3 keeps the region of the first one.
    boto3.setup_default_session()
    return cloud


@pytest.fixture
def name() -> str:
    """A stack's name that no other test has."""
    return f"wh-{uuid4().hex[:8]}"


class Answers:
    """Answers questions, and keeps them."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0)


@pytest.fixture
def stack(aws: dict[str, str], name: str, package: Package) -> str:
    """A stack that was applied; its name."""
    assert Stack(name, Answers(name)).apply(as_built(package), {})
    return name


def as_built(package: Package) -> Package:
    return Package(package.path, "python3.11", package.sha256, package.files, 0)


def resources(name: str) -> dict[str, str]:
    """Returns the types of the stack's resources that exist, by their names in the template."""
    client = boto3.client("cloudformation")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        each["LogicalResourceId"]: each["ResourceType"]
        for page in pages
        for each in page["StackResourceSummaries"]
    }


def buckets(name: str) -> set[str]:
    found = (each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"])
    return {each.split("-")[-2] for each in found if each.startswith(f"{name}-")}


def test_the_plan_is_shown_first_and_without_a_yes_nothing_is_made(
    aws: dict[str, str], name: str, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = Answers("no")
    assert not Stack(name, ask).apply(as_built(package), {})
    shown = capsys.readouterr().out
    assert "Add     Database                                 AWS::RDS::DBInstance" in shown
    assert ask.questions == [f"Type {name} to apply this: "]
    assert buckets(name) == {"code"}
    assert not Stack(name, ask).destroy(False)
    assert "there is no such stack" in capsys.readouterr().out


def test_everything_of_the_template_exists(stack: str) -> None:
    declared = {
        logical: each["Type"]
        for logical, each in read_template()["Resources"].items()
        if "Condition" not in each
    }
    found = resources(stack)
    assert {declared[each] for each in declared.keys() - found.keys()} <= MISSING
    assert {kind for kind in declared.values() if kind not in MISSING} <= set(found.values())
    tables = boto3.client("glue").get_tables(DatabaseName=stack.replace("-", "_"))["TableList"]
    assert {
        each["Name"]: (
            each["StorageDescriptor"]["Location"].partition("/lake")[0],
            each["StorageDescriptor"]["Columns"],
        )
        for each in tables
    } == {
        each["Properties"]["TableInput"]["Name"]: (
            each["Properties"]["TableInput"]["StorageDescriptor"]["Location"]["Fn::Sub"].replace(
                "${LakeBucket}", f"{stack}-lake-123456789012"
            ),
            each["Properties"]["TableInput"]["StorageDescriptor"]["Columns"],
        )
        for each in read_template()["Resources"].values()
        if each["Type"] == "AWS::Glue::Table"
    }


def test_with_an_image_dbt_is_the_next_step(
    aws: dict[str, str], name: str, package: Package
) -> None:
    image = {"BuildImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/wh:1"}
    assert Stack(name, Answers(name)).apply(as_built(package), image)
    assert {"BuildTask", "BuildRule", "BuildFailed"} <= resources(name).keys()
    task = boto3.client("ecs").describe_task_definition(taskDefinition=f"{name}-build")
    (container,) = task["taskDefinition"]["containerDefinitions"]
    assert container["image"] == image["BuildImage"]
    assert [each["name"] for each in container["secrets"]] == ["POSTGRES_USER", "POSTGRES_PASSWORD"]


def test_applied_again_nothing_changes_and_what_was_chosen_stays(
    stack: str, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    again = Stack(stack, Answers(stack, stack, stack))
    assert again.apply(as_built(package), {})
    assert "nothing to change" in capsys.readouterr().out
    assert again.apply(as_built(package), {"FunctionMemory": "512"})
    assert again.apply(as_built(package), {"ScanLimit": "10737418241"})
    function = boto3.client("lambda").get_function_configuration(FunctionName=f"{stack}-loader")
    assert function["MemorySize"] == 512
    with pytest.raises(ConfigurationError, match="Memory: the template has no such parameter"):
        again.apply(as_built(package), {"Memory": "512"})


def test_data_is_deleted_only_if_asked_twice(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = boto3.client("s3")
    landing = f"{stack}-landing-123456789012"
    for _ in range(2):
        s3.put_object(Bucket=landing, Key=FILE, Body=b"39, State-gov")
    assert not Stack(stack, Answers("yes")).destroy(True)
    assert not Stack(stack, Answers(stack, "yes")).destroy(True)
    assert "Function" in resources(stack)
    assert Stack(stack, Answers(stack)).destroy(False)
    assert buckets(stack) == {"landing", "lake"}
    assert s3.get_object(Bucket=landing, Key=FILE)["Body"].read() == b"39, State-gov"


def test_asked_twice_data_is_deleted(stack: str) -> None:
    s3 = boto3.client("s3")
    for _ in range(2):
        s3.put_object(Bucket=f"{stack}-landing-123456789012", Key=FILE, Body=b"39, State-gov")
    assert Stack(stack, Answers(stack, f"delete the data of {stack}")).destroy(True)
    assert buckets(stack) == set()


def test_the_command_line_says_no_where_nobody_answers(
    aws: dict[str, str],
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    assert main(["apply", name]) == 1
    assert "Nothing was changed." in capsys.readouterr().out
    assert main(["apply", name, "AlertEmail"]) == 2
    assert main(["destroy", name]) == 1
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    assert main(["destroy", name]) == 2
    assert "set AWS_DEFAULT_REGION" in capsys.readouterr().err


class Deployed:
    """The deployed function, run here: its variables, its role, its queue."""

    def __init__(self, stack: str, cloud: dict[str, str], warehouse: Warehouse) -> None:
        self.stack = stack
        self._cloud = cloud
        client = boto3.client("lambda")
        found = client.get_function_configuration(FunctionName=f"{stack}-loader")
        self.variables = found["Environment"]["Variables"]
        self.role = found["Role"].rpartition("/")[2]
        self.landing = f"{stack}-landing-123456789012"
        # The database of the mock is a name only; the one that answers is PostgreSQL's own.
        self.variables |= {
            "POSTGRES_HOST": warehouse.host,
            "POSTGRES_PORT": str(warehouse.port),
            "POSTGRES_DB": warehouse.database,
            "PGSSLMODE": "prefer",
        }
        del self.variables["WORK_DIR"], self.variables["DLT_DATA_DIR"]
        login = {"username": warehouse.user, "password": warehouse.password}
        boto3.client("secretsmanager").put_secret_value(
            SecretId=self.variables["DATABASE_SECRET_ARN"], SecretString=json.dumps(login)
        )

    def without(self, sid: str) -> None:
        """Takes one statement out of the role's policy."""
        iam = boto3.client("iam")
        policy = iam.get_role_policy(RoleName=self.role, PolicyName="load")["PolicyDocument"]
        kept = [each for each in policy["Statement"] if each["Sid"] != sid]
        assert len(kept) == len(policy["Statement"]) - 1
        iam.put_role_policy(
            RoleName=self.role,
            PolicyName="load",
            PolicyDocument=json.dumps({**policy, "Statement": kept}),
        )

    def credentials(self) -> dict[str, str]:
        """Returns the variables of the function's role, as Lambda sets them."""
        arn = f"arn:aws:iam::123456789012:role/{self.role}"
        found = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="loader")
        return {
            **self._cloud,
            "AWS_ACCESS_KEY_ID": found["Credentials"]["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["Credentials"]["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["Credentials"]["SessionToken"],
        }


@pytest.fixture
def deployed(stack: str, aws: dict[str, str], warehouse: Warehouse) -> Deployed:
    return Deployed(stack, aws, warehouse)


class Enforced:
    """IAM's rules, in force inside of the block: whoever has no permission gets no answer."""

    def __init__(self, cloud: dict[str, str]) -> None:
        self._url = f"{cloud['AWS_ENDPOINT_URL']}/moto-api/reset-auth"

    def _free_requests(self, count: str) -> None:
        plain = {"Content-Type": "text/plain"}
        data = count.encode()
        request = urllib.request.Request(self._url, data=data, headers=plain)  # noqa: S310
        urllib.request.urlopen(request).close()  # noqa: S310 - our own server

    def __enter__(self) -> None:
        self._free_requests("0")

    def __exit__(self, *_: object) -> None:
        self._free_requests("inf")


def poll(credentials: dict[str, str], queue: str) -> dict[str, Any]:
    """Returns an event with the queue's messages, taken by the role, as Lambda does."""
    client = boto3.session.Session(
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials["AWS_SESSION_TOKEN"],
        region_name="us-east-1",
    ).client("sqs")
    url = f"{credentials['AWS_ENDPOINT_URL']}/123456789012/{queue}"
    found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for each in found:
        client.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return {"Records": [{"messageId": each["MessageId"], "body": each["Body"]} for each in found]}


def drop(deployed: Deployed, small_bucket: Path) -> None:
    for key in (FILE, "census/Adult.test"):
        boto3.client("s3").upload_file(str(small_bucket / key), deployed.landing, key)


def test_a_file_arrives_and_is_in_the_warehouse_with_no_more_than_the_role_may(
    deployed: Deployed,
    aws: dict[str, str],
    small_bucket: Path,
    invoke: Invoke,
    query: Query,
) -> None:
    drop(deployed, small_bucket)
    credentials = deployed.credentials()
    with Enforced(aws):
        event = poll(credentials, f"{deployed.stack}-events")
        done = invoke(event, **deployed.variables, **credentials)
    # One is S3's own, by which it tries the queue out.
    assert len(event["Records"]) == 3
    assert "s3:TestEvent" in event["Records"][0]["body"]
    assert done.answers[0]["answer"] == failures()
    assert query("select source, status from audit.loads") == [("census", "complete")]
    assert done.log[-1]["Stack"] == deployed.stack


@pytest.mark.parametrize(
    ("sid", "reason"),
    [("ListFiles", "Access Denied"), ("ReadFiles", "Forbidden"), ("LogIn", "AccessDenied")],
)
def test_no_permission_of_the_function_is_needless(
    deployed: Deployed,
    aws: dict[str, str],
    small_bucket: Path,
    invoke: Invoke,
    sid: str,
    reason: str,
) -> None:
    drop(deployed, small_bucket)
    deployed.without(sid)
    credentials = deployed.credentials()
    with Enforced(aws):
        event = poll(credentials, f"{deployed.stack}-events")
        done = invoke(event, **deployed.variables, **credentials)
    files = [each["messageId"] for each in event["Records"] if "s3:TestEvent" not in each["body"]]
    assert len(files) == 2
    assert done.answers[0]["answer"] == failures(*files)
    assert reason in done.output


def test_nor_is_the_one_to_take_messages(deployed: Deployed, aws: dict[str, str]) -> None:
    deployed.without("TakeMessages")
    credentials = deployed.credentials()
    with Enforced(aws), pytest.raises(Exception, match="is not authorized to perform"):
        poll(credentials, f"{deployed.stack}-events")
