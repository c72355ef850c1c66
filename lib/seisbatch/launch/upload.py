"""Files to S3, each under the digest of its bytes: what is there is not sent again."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from seisbatch.launch import failures
from seisbatch.launch.bundle import Artefact
from seisbatch.outcome import RunError

PART_BYTES = 16 * 2**20
"""A larger file is sent in parts of this size, several at a time; a part that fails is sent again alone."""

LARGE_BYTES = 2**20
"""What is larger is announced: the environment's 230 MB take minutes over a slow line."""

_REFUSED = {
    "NoSuchBucket": "no such bucket: make it in the cluster's region, or name another as staging in conf/emr/launch.toml",
    "AccessDenied": "access denied: these credentials need s3:ListBucket on the bucket, s3:GetObject and s3:PutObject under it",
    "AllAccessDisabled": "access denied: the bucket is closed",
    "ExpiredToken": "the AWS credentials have expired: log in again",
    "InvalidToken": "AWS does not know these credentials",
    "InvalidAccessKeyId": "AWS does not know these credentials",
    "SignatureDoesNotMatch": "AWS refuses the signature: the secret key is not that of the access key, or the clock is wrong",
    "RequestTimeTooSkewed": "this computer's clock is wrong",
}
_CODE_OF_STATUS = {403: "AccessDenied", 404: "NoSuchBucket"}


def place_of(staging: str, artefact: Artefact) -> str:
    """Where a file goes, ``s3://bucket/prefix/packages/SHA256/NAME``: the same bytes, the same place.

    spark-submit takes lists of places and fragments to pieces: a name keeps nothing that it could take for a sign of its own.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", artefact.path.name)
    return f"{staging.rstrip('/')}/packages/{artefact.sha256}/{name}"


def upload(client: Any, staging: str, artefacts: Sequence[Artefact]) -> dict[str, str]:
    """Put files under ``staging`` (``s3://bucket/prefix``) where they are not there yet; their URIs by their names.

    An object appears whole or not at all. Raises RunError, saying what to do, where the bucket is none, refuses, or is in
    another region than the client's, which is the cluster's.
    """
    try:
        return {artefact.name: _put(client, place_of(staging, artefact), artefact) for artefact in artefacts}
    except S3UploadFailedError as error:
        cause = error.__context__
        raise _told(cause, staging) if isinstance(cause, ClientError) else RunError(f"{staging}: {error}") from None
    except (ClientError, BotoCoreError) as error:
        raise _told(error, staging) from None


def _put(client: Any, uri: str, artefact: Artefact) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    size = artefact.path.stat().st_size
    # a listing, as its refusals say why: those of HEAD have no text
    found = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    _require_region(client, bucket, found)
    if any(listed["Key"] == key and listed["Size"] == size for listed in found.get("Contents", [])):
        return uri
    if size > LARGE_BYTES:
        print(f"sending {artefact.path.name} ({size / 1e6:,.0f} MB) to {uri.rpartition('/')[0]}", file=sys.stderr, flush=True)
    parts = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    client.upload_file(str(artefact.path), bucket, key, Config=parts)
    return uri


def _require_region(client: Any, bucket: str, answer: Any) -> None:
    """RunError where the bucket is elsewhere: boto3 would follow it there, and the cluster would read across regions."""
    there = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    here = client.meta.region_name
    if there and here and here != "aws-global" and there != here:
        raise RunError(
            f"s3://{bucket} is in {there}, the run in {here}: in conf/emr/launch.toml, name a bucket of {here} as staging, or "
            f'region = "{there}"'
        )


def _told(error: ClientError | BotoCoreError, staging: str) -> RunError:
    """One message that says what to do; of credentials nothing is quoted."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        code = str(answer.get("Code", ""))
        if not code or code.isdecimal():
            code = _CODE_OF_STATUS.get(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), code)
        if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
            return RunError(f"{staging}: the bucket is in another region: set a bucket of the run's region as staging")
        return RunError(f"{staging}: {_REFUSED[code]}") if code in _REFUSED else failures.told(error, staging)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return RunError(
            f"{staging}: no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, exceptions.CredentialRetrievalError | exceptions.SSOError | exceptions.TokenRetrievalError):
        return RunError(f"{staging}: the AWS credentials cannot be had: log in again")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return RunError(f"{staging}: S3 does not answer: is there a network, and is the region right?")
    return failures.told(error, staging)
