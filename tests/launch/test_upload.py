"""Uploads against an S3 server: what is put, what is not sent twice, and what is told where it cannot be."""

import hashlib
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from seisbatch.launch.bundle import artefact
from seisbatch.launch.upload import PART_BYTES, place_of, upload
from seisbatch.outcome import RunError

from tests.conftest import S3_CREDENTIALS


def client_of(endpoint, region="us-east-1", **credentials):
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, s3={"addressing_style": "path"})
    return boto3.session.Session().client("s3", region_name=region, endpoint_url=endpoint, config=config, **credentials)


@pytest.fixture
def s3(s3_server):
    client = client_of(s3_server)
    client.create_bucket(Bucket="staging")
    return client


@pytest.fixture
def package(tmp_path):
    file = tmp_path / "seisbatch-1.zip"
    file.write_bytes(b"a package")
    return artefact("package", file)


def test_a_file_is_put_under_its_digest_and_sent_once(s3, package):
    digest = hashlib.sha256(b"a package").hexdigest()
    uri = f"s3://staging/some/where/packages/{digest}/seisbatch-1.zip"
    assert upload(s3, "s3://staging/some/where", [package]) == {"package": uri}
    key = uri.removeprefix("s3://staging/")
    assert s3.get_object(Bucket="staging", Key=key)["Body"].read() == b"a package"

    sent = []
    s3.meta.events.register("before-send.s3.*", lambda request, **_: sent.append(request.method))
    assert upload(s3, "s3://staging/some/where/", [package]) == {"package": uri}
    assert sent == ["GET"]

    package.path.write_bytes(b"another one")
    changed = upload(s3, "s3://staging", [artefact("package", package.path)])
    assert changed["package"] == f"s3://staging/packages/{hashlib.sha256(b'another one').hexdigest()}/seisbatch-1.zip"


def test_what_an_interruption_left_is_sent_again(s3, package):
    uri = upload(s3, "s3://staging", [package])["package"]
    key = uri.removeprefix("s3://staging/")
    s3.put_object(Bucket="staging", Key=key, Body=b"a pack")
    upload(s3, "s3://staging", [package])
    assert s3.get_object(Bucket="staging", Key=key)["Body"].read() == b"a package"


def test_a_large_file_goes_in_parts(s3, tmp_path, capsys):
    file = tmp_path / "environment.tar.gz"
    file.write_bytes(b"0123456789abcdef" * (PART_BYTES // 16) + b"the end")
    sent = artefact("environment", file)
    key = upload(s3, "s3://staging", [sent])["environment"].removeprefix("s3://staging/")
    found = s3.get_object(Bucket="staging", Key=key)
    assert found["ETag"].endswith('-2"')
    assert hashlib.sha256(found["Body"].read()).hexdigest() == sent.sha256
    assert "sending environment.tar.gz (17 MB)" in capsys.readouterr().err


def test_a_bucket_that_is_not_there(s3, package):
    with pytest.raises(RunError, match="^s3://nowhere/x: no such bucket: make it"):
        upload(s3, "s3://nowhere/x", [package])


def test_without_credentials(s3_server, package, monkeypatch, tmp_path):
    for name in S3_CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(RunError, match="no AWS credentials were found: set AWS_PROFILE"):
        upload(client_of(s3_server), "s3://staging", [package])


def test_a_bucket_of_another_region_is_named_with_its_region(s3, s3_server, package):
    far = client_of(s3_server, "us-west-2")
    far.create_bucket(Bucket="faraway", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.meta.events.register("after-call.s3.ListObjectsV2", _tell_region("us-west-2"))
    with pytest.raises(RunError, match="s3://faraway is in us-west-2, the run in us-east-1"):
        upload(s3, "s3://faraway", [package])


def _tell_region(region):
    """Amazon's listings name the bucket's region in a header, which this server's do not."""

    def tell(parsed, **_):
        parsed["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] = region

    return tell


def test_who_may_not_write_is_told_what_is_missing(s3, s3_server, package):
    """The server asks for permissions from its first request on; this user has none."""
    iam = boto3.client("iam", region_name="us-east-1", endpoint_url=s3_server)
    iam.create_user(UserName="reader")
    keys = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = client_of(s3_server, aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"])
    wrong = client_of(s3_server, aws_access_key_id="AKIANOBODY", aws_secret_access_key="canary-secret")
    try:
        _free_requests(s3_server, b"0")
        with pytest.raises(RunError, match=r"^s3://staging: access denied: these credentials need s3:ListBucket"):
            upload(reader, "s3://staging", [package])
        with pytest.raises(RunError, match="AWS does not know these credentials") as told:
            upload(wrong, "s3://staging", [package])
        assert "canary-secret" not in str(told.value)
        assert "AKIANOBODY" not in str(told.value)
    finally:
        _free_requests(s3_server, b"inf")


def _free_requests(server, number):
    request = urllib.request.Request(f"{server}/moto-api/reset-auth", number, {"Content-Type": "text/plain"})
    urllib.request.urlopen(request).close()


def test_a_service_that_does_not_answer(package, monkeypatch):
    for name, value in S3_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match="S3 does not answer"):
        upload(client_of("http://127.0.0.1:9"), "s3://staging", [package])


def test_a_name_keeps_nothing_that_spark_submit_would_take_for_its_own(tmp_path):
    file = tmp_path / "my job #2,ä.py"
    file.touch()
    assert place_of("s3://b/c", artefact("job", file)).rpartition("/")[2] == "my-job-2-.py"


def test_patience_that_s3_asks_for_is_told_as_such(s3, tmp_path):
    def slow(**_):
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "Reduce your request rate."}}, "ListObjectsV2")

    file = tmp_path / "job.py"
    file.touch()
    s3.meta.events.register("before-call.s3.ListObjectsV2", slow)
    with pytest.raises(RunError, match=r"^s3://staging/x: AWS asked for patience .*try again in a minute"):
        upload(s3, "s3://staging/x", [artefact("job", file)])
