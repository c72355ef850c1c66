"""conf/lambda: what is sent to AWS, held against the services' own models and against moto; what the image is made of."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from moto import mock_aws
from moto.awslambda_simple.models import lambda_simple_backends
from seisbatch.oneshot.requests import read_request
from seisbatch.oneshot.settings import OPTIONS, read_settings, variable

HERE = Path(__file__).resolve().parents[1]
CONF = HERE / "conf" / "lambda"
VALUES = {"ACCOUNT": "123456789012", "REGION": "us-west-2", "OUTPUT": "my-bucket/motion"}
REQUESTS = {
    "create-function.json": "CreateFunction",
    "update-function-code.json": "UpdateFunctionCode",
    "update-function-configuration.json": "UpdateFunctionConfiguration",
}


def fill(folder, *words):
    return subprocess.run([sys.executable, CONF / "fill.py", folder, *words], capture_output=True, text=True)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The files with their placeholders filled in, as the command line does it: contents by name."""
    folder = tmp_path_factory.mktemp("filled") / "new"
    done = fill(folder, *(f"{name}={value}" for name, value in VALUES.items()))
    assert (done.returncode, done.stderr) == (0, "")
    assert [Path(line).name for line in done.stdout.splitlines()] == sorted(path.name for path in CONF.glob("*.json"))
    return {path.name: json.loads(path.read_text()) for path in folder.iterdir()}


def input_of(service, operation):
    return get_session().get_service_model(service).operation_model(operation).input_shape


@pytest.mark.parametrize(("name", "operation"), REQUESTS.items())
def test_a_request_is_one_of_the_service(filled, name, operation):
    shape = input_of("lambda", operation)
    report = ParamValidator().validate(filled[name], shape)
    assert not report.has_errors(), report.generate_report()
    assert ParamValidator().validate(filled[name] | {"Memory": 1024}, shape).has_errors()
    assert "$" not in json.dumps(filled[name])


def test_updates_say_what_creating_says(filled):
    created = filled["create-function.json"]
    configuration, code = filled["update-function-configuration.json"], filled["update-function-code.json"]
    assert configuration.items() <= created.items()
    assert code == {"FunctionName": created["FunctionName"], **created["Code"], "Architectures": created["Architectures"]}


@contextmanager
def account(filled):
    """An account with the function's role, and its image in a repository."""
    with mock_aws(config={"lambda": {"use_docker": False}}):
        iam, ecr = boto3.client("iam"), boto3.client("ecr", VALUES["REGION"])
        name = filled["create-function.json"]["FunctionName"]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(filled["trust.json"]))
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(filled["policy.json"]))
        ecr.create_repository(repositoryName=name)
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        image = {"schemaVersion": 2, "mediaType": kind, "config": {"digest": "sha256:0", "size": 1}, "layers": []}
        ecr.put_image(repositoryName=name, imageTag="latest", imageManifest=json.dumps(image))
        yield


def test_the_function_s_environment_holds_settings(filled):
    settings = read_settings(filled["create-function.json"]["Environment"]["Variables"])
    assert (settings.out.root, settings.motion.units) == ("s3://my-bucket/motion", "vel")


def test_the_function_is_made_and_brought_up_to_date(filled, credentials):
    with account(filled):
        iam, function = boto3.client("iam"), boto3.client("lambda", VALUES["REGION"])
        name = filled["create-function.json"]["FunctionName"]
        made = function.create_function(**filled["create-function.json"])
        function.update_function_code(**filled["update-function-code.json"])
        updated = function.update_function_configuration(**filled["update-function-configuration.json"])
        assert made["PackageType"] == "Image"
        assert updated["Environment"]["Variables"]["S3_OUTPUT_BUCKET"] == VALUES["OUTPUT"]
        assert iam.get_role(RoleName=name)["Role"]["Arn"] == made["Role"]


@pytest.fixture
def credentials(monkeypatch, tmp_path):
    """Made-up keys, and nothing of this machine's own."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")


def test_the_role_may_do_what_a_call_needs_and_no_more(filled):
    statements = filled["policy.json"]["Statement"]
    allowed = {action: statement["Resource"] for statement in statements for action in statement["Action"]}
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    assert set(allowed) == {
        "s3:PutObject", "s3:AbortMultipartUpload", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
    }  # fmt: skip
    assert allowed["s3:PutObject"] == "arn:aws:s3:::my-bucket/motion/*"
    for resource in allowed["logs:PutLogEvents"]:
        assert resource.startswith("arn:aws:logs:us-west-2:123456789012:log-group:/aws/lambda/seisbatch-oneshot")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ACCOUNT=123456789012", "REGION=us-west-2"], "OUTPUT is missing"),
        (["ACCOUNT=12345", "REGION=us-west-2", "OUTPUT=my-bucket"], "ACCOUNT is the account's twelve digits"),
        (["ACCOUNT=123456789012", "REGION=Oregon", "OUTPUT=my-bucket"], "REGION is a region such as us-west-2"),
        (["ACCOUNT=123456789012", "REGION=us-west-2", "OUTPUT=s3://my-bucket"], "OUTPUT is bucket"),
        (["ACCOUNT=123456789012", "REGION=us-west-2", "OUTPUT=my-bucket/*"], "OUTPUT is bucket"),
        (["ACCOUNT=123456789012", "REGION=us-west-2", "OUTPUT=my-bucket", "FUNCTION=My Function"], "FUNCTION is"),
        (["BUCKET=my-bucket"], "one of ACCOUNT, REGION, OUTPUT, FUNCTION"),
    ],
)
def test_a_wrong_value_is_told_and_nothing_is_written(words, told, tmp_path):
    done = fill(tmp_path / "new", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "new").exists()


# --- the image


def instructions():
    """The Dockerfile's instructions: the word and the rest."""
    text = re.sub(r"\\\n\s*", "", (CONF / "Dockerfile").read_text())
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_calls_what_there_is_and_copies_what_there_is():
    steps = instructions()
    assert [rest for word, rest in steps if word == "FROM"] == ["amazon/aws-lambda-python:3.12"]
    [command] = [json.loads(rest) for word, rest in steps if word == "CMD"]
    module, _, function = command[0].rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))
    sources = [rest.split()[0] for word, rest in steps if word == "COPY"]
    kept = [line[1:] for line in (CONF / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(source.rstrip("/") for source in sources) == sorted(kept)
    for source in sources:
        assert (HERE / source).exists(), source
    assert not re.search(r"https?://|index-url|trusted-host|find-links", (CONF / "Dockerfile").read_text())


def entries(name):
    """The entries of a lock, each with its hashes."""
    text = (HERE / "conf" / f"{name}.lock").read_text()
    return {entry.strip() for entry in re.split(r"\n(?=[^\s#])", text) if not entry.startswith("#")}


def test_the_image_s_packages_are_the_run_s_own_without_spark():
    locked = entries("requirements-lambda")
    assert locked <= entries("requirements")
    names = {entry.partition("==")[0] for entry in locked}
    assert {"numpy", "scipy", "obspy", "pymseed", "obstore", "boto3", "pydantic", "pyarrow"} <= names
    assert not names & {"pyspark", "py4j", "pymongo", "pyasdf", "xarray", "pandas"}


# --- what LAMBDA.md says


def page():
    return (HERE / "LAMBDA.md").read_text()


GLOBAL = {"region", "cli-input-json", "cli-binary-format"}
"""Options that the AWS command line has for every operation."""


def aws_commands():
    return [shlex.split(line.partition("|")[0])[1:] for line in page().splitlines() if line.startswith("aws ")]


def test_commands_are_operations_of_the_services_with_parameters_that_they_have(filled):
    seen = set()
    for service, operation, *words in aws_commands():
        if operation == "get-login-password":  # of the command line itself
            continue
        names = get_session().get_service_model(service).operation_names
        [name] = [name for name in names if name.lower() == operation.replace("-", "")]
        shape = input_of(service, name)
        given = {word.removeprefix("--") for word in words if word.startswith("--")}
        members = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", member).lower() for member in shape.members}
        assert given - GLOBAL <= members, (service, operation)
        for word in words:
            if word.startswith("file://"):
                assert Path(word).name in filled
        if "cli-input-json" in given:
            assert REQUESTS[Path(words[words.index("--cli-input-json") + 1]).name] == name
        seen.add(name)
    assert seen == {"CreateRepository", "CreateRole", "PutRolePolicy", *REQUESTS.values(), "Invoke"}


def test_the_page_fills_in_what_fill_py_takes(tmp_path):
    [line] = [line for line in page().splitlines() if "fill.py" in line]
    words = shlex.split(line)
    assert fill(tmp_path, *words[3:]).returncode == 0


def test_settings_that_the_page_names_are_settings():
    named = set(re.findall(r"SEISBATCH_[A-Z_]*[A-Z]", page()))
    assert len(named) >= 8
    assert named <= {variable(option) for option in OPTIONS}


def test_examples_on_the_page_are_requests():
    [block] = [block for block in re.findall(r"```json\n(.+?)```", page(), re.DOTALL) if "nscl" in block]
    days = [read_request(json.loads(line)).days for line in block.splitlines()]
    assert [len(of_one) for of_one in days] == [1, 1]


def test_the_example_in_python_calls_the_function(filled, credentials, capsys):
    [example] = re.findall(r"```python\n(.+?)```", page(), re.DOTALL)
    with account(filled):
        boto3.client("lambda", VALUES["REGION"]).create_function(**filled["create-function.json"])
        answers = lambda_simple_backends[VALUES["ACCOUNT"]][VALUES["REGION"]].lambda_simple_results_queue
        answers.append(json.dumps({"key": None, "keys": [], "bucket": "b", "outcome": "missing", "reason": "no object"}))
        exec(compile(example, "LAMBDA.md", "exec"), {})
    assert capsys.readouterr().out == "missing no object\n"
