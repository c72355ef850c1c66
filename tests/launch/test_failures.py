"""Each failure of AWS gives one clear message with what to do; errors as moto gives them, else as Amazon documents them."""

import json

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.stub import Stubber
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count
from seisbatch.launch.clients import client
from seisbatch.launch.failures import Unreachable, reason_told, told
from seisbatch.outcome import RunError

ME = "User: arn:aws:iam::123456789012:user/me"
ROLE = "arn:aws:iam::123456789012:role/EMR_DefaultRole"
KEYS = {"aws_access_key_id": "AKIATESTS", "aws_secret_access_key": "canary-secret", "region_name": "us-east-1"}


def stubbed(service, method, code, message, **parameters):
    """The message for an error with which a service answers."""
    client = boto3.client(service, **KEYS)
    with Stubber(client) as stub:
        stub.add_client_error(method, code, message)
        return told_of(lambda: getattr(client, method)(**parameters))


def told_of(call):
    with pytest.raises((ClientError, BotoCoreError)) as caught:
        call()
    error = told(caught.value, "starting the run")
    text = str(error)
    assert isinstance(error, RunError)
    assert text.startswith("starting the run: ")
    assert "\n" not in text
    assert "canary" not in text
    assert len(text) < 800
    return text


STEP = {"JobFlowId": "j-1", "Steps": [{"Name": "s", "HadoopJarStep": {"Jar": "command-runner.jar"}}]}
CLUSTER = {"Name": "c", "Instances": {}}
JOB = {"applicationId": "00f1", "executionRoleArn": "arn:aws:iam::123456789012:role/run", "clientToken": "t"}
BUCKET = {"Bucket": "logs"}


@pytest.mark.parametrize(
    ("service", "method", "parameters", "code", "message", "expected"),
    [
        ("emr", "add_job_flow_steps", STEP, "ValidationException", "Specified job flow ID does not exist.", "list-clusters"),
        ("emr", "describe_cluster", {"ClusterId": "j-1"}, "InvalidRequestException", "Cluster id 'j-1' is not valid.",
         "no such cluster in this account and region"),
        ("emr", "add_job_flow_steps", STEP, "ValidationException",
         "A job flow that is shutting down, terminated, or finished may not be modified.", "ending or has ended: name another"),
        ("emr", "run_job_flow", CLUSTER, "AccessDeniedException",
         f"{ME} is not authorized to perform: elasticmapreduce:RunJobFlow on resource: arn:aws:elasticmapreduce:us-east-1:"
         "123456789012:cluster/* because no identity-based policy allows the elasticmapreduce:RunJobFlow action",
         "allow elasticmapreduce:RunJobFlow in the policy"),
        ("emr", "run_job_flow", CLUSTER, "AccessDeniedException",
         f"{ME} is not authorized to perform: iam:PassRole on resource: {ROLE}", "allow iam:PassRole on that role"),
        ("emr-serverless", "start_job_run", JOB, "AccessDeniedException", "Cross-account pass role is not allowed.",
         "cannot be handed over"),
        ("s3", "head_bucket", BUCKET, "403", "Forbidden", "access denied to HeadBucket"),
        ("emr", "run_job_flow", CLUSTER, "ExpiredTokenException", "The security token included in the request is expired",
         "have expired: log in again"),
        ("s3", "list_objects_v2", BUCKET, "ExpiredToken", "The provided token has expired.", "have expired: log in again"),
        ("emr", "run_job_flow", CLUSTER, "UnrecognizedClientException",
         "The security token included in the request is invalid.", "does not know these credentials"),
        ("emr", "run_job_flow", CLUSTER, "InvalidSignatureException",
         "The request signature we calculated does not match. The Canonical String should have been "
         "'POST / x-amz-security-token:canary-token'", "this computer's clock"),
        ("emr", "run_job_flow", CLUSTER, "ValidationException", "Invalid InstanceProfile: EMR_EC2_DefaultRole.",
         "`aws emr create-default-roles`"),
        ("emr", "run_job_flow", CLUSTER, "ValidationException", "ServiceRole is required for creating cluster.",
         "`aws emr create-default-roles`"),
        ("emr", "run_job_flow", CLUSTER, "ValidationException", "The supplied release label is invalid: emr-spark-8.0.0.",
         "does not have this release"),
        ("emr-serverless", "start_job_run", JOB, "ServiceQuotaExceededException", "Job run exceeded the vCPU quota",
         "Service Quotas"),
        ("emr-serverless", "start_job_run", JOB, "ResourceNotFoundException", "Application 00f1 does not exist",
         "aws emr-serverless list-applications"),
        ("emr-serverless", "start_job_run", JOB, "ValidationException",
         "Application 00f1 is terminated. Cannot start job run.", "does not take runs now"),
        ("emr-serverless", "start_job_run", JOB, "ValidationException",
         "Application 00f1 must be in one of the following statuses [STARTED, CREATED, STARTING]. Current status: STOPPED",
         "start-application"),
        ("s3", "list_objects_v2", BUCKET, "PermanentRedirect",
         "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future "
         "requests to this endpoint.", "in another region"),
        ("s3", "list_objects_v2", BUCKET, "AuthorizationHeaderMalformed",
         "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
         "in another region, eu-west-1"),
        ("emr", "describe_step", {"ClusterId": "j-1", "StepId": "s-1"}, "InvalidRequestException",
         "Step id 's-1' is not valid.", "no such step"),
        ("emr", "run_job_flow", CLUSTER, "ValidationException", "Something else. " * 200, "AWS refused RunJobFlow"),
    ],
)  # fmt: skip
def test_an_answer_is_told_with_what_to_do(service, method, parameters, code, message, expected):
    text = stubbed(service, method, code, message, **parameters)
    assert expected in text
    assert code in text


def test_what_passes_is_told_from_what_stays():
    client = boto3.client("emr", **KEYS)
    for code, kind in {
        "ThrottlingException": Unreachable,
        "InternalFailure": Unreachable,
        "ValidationException": RunError,
    }.items():
        with Stubber(client) as stub:
            stub.add_client_error("list_clusters", code, "Rate exceeded")
            with pytest.raises(ClientError) as caught:
                client.list_clusters()
        assert type(told(caught.value, "asking")) is kind


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (f"EMR service role {ROLE} is invalid", "create-default-roles"),
        ("The number of vCPUs for instance type m7g.2xlarge requested exceeds the EC2 vCPU limit of 32", "Service Quotas"),
        ("Instance type 'm7g.xlarge' is not supported.", "remove it from conf/emr/cluster.json"),
        ("Steps completed", "Steps completed"),
    ],
)
def test_why_a_cluster_ended_is_told(reason, expected):
    assert expected in reason_told(reason)
    assert reason in reason_told(reason)


# --- as moto answers


@mock_aws
def test_no_such_cluster():
    assert "no such cluster" in told_of(lambda: boto3.client("emr", **KEYS).describe_cluster(ClusterId="j-NOSUCHCLUSTER"))


@mock_aws
def test_a_release_that_the_region_does_not_have():
    client = boto3.client("emr-serverless", **KEYS)
    text = told_of(lambda: client.create_application(releaseLabel="emr-9", type="SPARK"))
    assert "does not have this release: choose one of `aws emr list-release-labels`" in text


@mock_aws
def test_no_such_bucket():
    assert "the bucket does not exist: make it" in told_of(lambda: boto3.client("s3", **KEYS).list_objects_v2(Bucket="no-such"))


@mock_aws
def test_a_user_who_may_nothing_is_told_which_action_to_allow():
    iam = boto3.client("iam", **KEYS)
    iam.create_user(UserName="me")
    key = iam.create_access_key(UserName="me")["AccessKey"]
    mine = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
        "region_name": "us-east-1",
    }

    @set_initial_no_auth_action_count(0)
    def denied():
        return told_of(lambda: boto3.client("emr", **mine).list_clusters())

    text = denied()
    assert "allow elasticmapreduce:ListClusters in the policy" in text
    assert "user/me" in text  # who it is that may not


@mock_aws
def test_keys_that_aws_does_not_know():
    @set_initial_no_auth_action_count(0)
    def unknown():
        return told_of(lambda: boto3.client("s3", **KEYS).list_buckets())

    assert "does not know these credentials: set AWS_PROFILE" in unknown()


# --- before anything is sent


@pytest.fixture
def nothing_set(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_no_credentials(nothing_set):
    client = boto3.session.Session(region_name="us-east-1").client("emr", endpoint_url="http://127.0.0.1:9")
    assert "no AWS credentials were found: set AWS_PROFILE" in told_of(client.list_clusters)


def test_no_region(nothing_set):
    assert "no region is set: set AWS_REGION" in told_of(lambda: boto3.session.Session().client("emr"))


def test_a_region_that_is_none(nothing_set):
    assert "the region is none" in told_of(lambda: boto3.session.Session().client("emr", region_name="Oregon !"))


def test_a_profile_that_is_none(nothing_set):
    assert "aws configure list-profiles" in told_of(lambda: boto3.session.Session(profile_name="nobody"))


@mock_aws
def test_throttling_is_waited_for(monkeypatch):
    """Twice AWS asks for patience, the third time it answers."""
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        monkeypatch.setenv(name.upper(), KEYS[name])
    asked = []

    def throttled(request, **_):
        asked.append(request)
        if len(asked) <= 2:
            answer = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
            return AWSResponse(request.url, 400, {}, type("Raw", (), {"stream": lambda self: iter([answer])})())

    one = client("emr", "us-east-1")
    one.meta.events.register_first("before-send.emr", throttled)
    assert one.list_clusters()["Clusters"] == []
    assert len(asked) == 3


def test_nobody_answers():
    config = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    client = boto3.client("emr", **KEYS, endpoint_url="http://127.0.0.1:9", config=config)
    text = told_of(client.list_clusters)
    assert "no answer from http://127.0.0.1:9" in text


def test_a_field_that_is_none():
    text = told_of(lambda: boto3.client("emr", **KEYS).run_job_flow(Name="c", Instances={}, Speling="x"))
    assert "is a file of conf/emr wrong?" in text
    assert "Speling" in text
