"""conf/emr: what is sent to AWS, held against the services' own models; a reason stands beside every key."""

import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from seisbatch.launch.template import filled, read_template
from seisbatch.outcome import RunError

CONF = Path(__file__).resolve().parents[2] / "conf" / "emr"
PLACES = {
    "name": "cross_correlate-1", "job": "cross_correlate", "logs": "s3://staging/seisbatch/logs", "log_key": "", "chip": "g",
    "architecture": "aarch64", "serverless_architecture": "ARM64", "bucket": "staging", "prefix": "seisbatch/",
    "role": "arn:aws:iam::123456789012:role/run", "application": "00f1", "out_bucket": "results", "out_prefix": "run1/",
}  # fmt: skip
REQUESTS = {
    "job-run.json": ("emr-serverless", "StartJobRun"),
    "cluster.json": ("emr", "RunJobFlow"),
    "application.json": ("emr-serverless", "CreateApplication"),
    "lifecycle.json": ("s3", "PutBucketLifecycleConfiguration"),
}


@functools.cache
def input_of(service, operation):
    return get_session().get_service_model(service).operation_model(operation).input_shape


def problems(request, service, operation):
    """What the service's own model finds wrong with a request, but for the token that each client makes up for itself."""
    token = {"clientToken": "t"} if service == "emr-serverless" else {}
    return ParamValidator().validate(token | request, input_of(service, operation)).generate_report()


@pytest.mark.parametrize(("name", "service", "operation"), [(name, *of) for name, of in REQUESTS.items()])
@pytest.mark.parametrize("key", ["", "arn:aws:kms:us-west-2:123456789012:key/1234"])
def test_a_template_is_a_request_of_the_service(name, service, operation, key):
    request = read_template(CONF / name, PLACES | {"log_key": key})
    assert problems(request, service, operation) == ""
    assert "$" not in json.dumps(request)
    assert "//" not in re.sub("s3://", "", json.dumps(request))
    assert (key in json.dumps(request)) == (bool(key) and service != "s3" or not key)


def structures(request, path=()):
    """Every object within a request, by the way to it."""
    if isinstance(request, dict):
        yield path, request
        for key, value in request.items():
            yield from structures(value, (*path, key))
    elif isinstance(request, list):
        for number, value in enumerate(request):
            yield from structures(value, (*path, number))


@pytest.mark.parametrize(("name", "service", "operation"), [(name, *of) for name, of in REQUESTS.items()])
def test_a_wrong_field_is_refused_wherever_it_stands(name, service, operation):
    places = [path for path, _ in structures(read_template(CONF / name, PLACES))]
    assert len(places) > 5
    for path in places:
        if path[-1:] in {("tags",), ("Properties",)}:  # names of one's own
            continue
        request = read_template(CONF / name, PLACES)
        within = request
        for step in path:
            within = within[step]
        within["Speling"] = "x"
        assert "Speling" in problems(request, service, operation), path


@pytest.mark.parametrize("name", [*REQUESTS, "policy.json"])
def test_every_key_says_why(name):
    for path, of_one in structures(json.loads((CONF / name).read_text())):
        for key in of_one:
            if not key.startswith("//"):
                assert of_one.get(f"//{key}") or (path and of_one.get("//")), (*path, key)
        for key in of_one:  # no reason is left of a key that has gone
            assert not key.startswith("//") or key == "//" or key[2:] in of_one, (*path, key)


def test_the_cluster_is_what_the_readme_promises():
    cluster = read_template(CONF / "cluster.json", PLACES)
    fleets = {fleet["InstanceFleetType"]: fleet for fleet in cluster["Instances"]["InstanceFleets"]}
    assert set(fleets) == {"MASTER", "CORE", "TASK"}
    assert fleets["MASTER"]["TargetOnDemandCapacity"] == 1
    assert "TargetSpotCapacity" not in fleets["CORE"]
    assert "TargetOnDemandCapacity" not in fleets["TASK"]
    assert len(fleets["TASK"]["InstanceTypeConfigs"]) >= 5
    assert cluster["Instances"]["KeepJobFlowAliveWhenNoSteps"] is False
    [yarn] = [one["Properties"] for one in cluster["Configurations"] if one["Classification"] == "yarn-site"]
    assert yarn["yarn.node-labels.am.default-node-label-expression"] == "CORE"  # no driver on a spot machine
    limits = cluster["ManagedScalingPolicy"]["ComputeLimits"]
    core = fleets["CORE"]["TargetOnDemandCapacity"]
    assert limits["MinimumCapacityUnits"] == limits["MaximumCoreCapacityUnits"] == core
    assert core + fleets["TASK"]["TargetSpotCapacity"] <= limits["MaximumCapacityUnits"]


@pytest.mark.parametrize(("chip", "kinds"), [("g", {"m7g", "m6g", "r7g", "r6g"}), ("i", {"m7i", "m6i", "r7i", "r6i"})])
def test_machines_have_the_chip_of_the_environment_and_the_cores_of_their_weight(chip, kinds):
    """A .xlarge has 4 vCPUs, a .Nxlarge 4 N (aws.amazon.com/ec2/instance-types)."""
    cluster = read_template(CONF / "cluster.json", PLACES | {"chip": chip})
    for fleet in cluster["Instances"]["InstanceFleets"]:
        for machine in fleet["InstanceTypeConfigs"]:
            family, size = machine["InstanceType"].split(".")
            assert family in kinds
            assert machine.get("WeightedCapacity", 4) == 4 * int(size.removesuffix("xlarge") or 1)


def test_the_role_may_do_what_a_run_needs_and_no_more():
    policy = read_template(CONF / "policy.json", PLACES)
    may = {(action, resource) for one in policy["Statement"] for action in one["Action"] for resource in one["Resource"]}
    assert ("s3:PutObject", "arn:aws:s3:::results/run1/*") in may
    assert ("s3:GetObject", "arn:aws:s3:::staging/seisbatch/packages/*") in may
    assert ("s3:PutObject", "arn:aws:s3:::staging/seisbatch/packages/*") not in may  # what runs is not a run's to change
    assert not [pair for pair in may if "*" in pair[0] or pair[1] == "*" or pair[1].endswith(":::*")]
    assert {one["Effect"] for one in policy["Statement"]} == {"Allow"}


def test_the_policy_is_printed_as_iam_takes_it(s3_server):
    words = [f"{name}={value}" for name, value in PLACES.items()]
    command = [sys.executable, "-m", "seisbatch.launch.template", CONF / "policy.json", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    iam = boto3.client("iam", endpoint_url=s3_server)
    iam.create_policy(PolicyName="seisbatch", PolicyDocument=printed)  # moto refuses fields that IAM does


def test_the_lifecycle_is_taken_by_s3(s3_server):
    s3 = boto3.client("s3", endpoint_url=s3_server)
    s3.create_bucket(Bucket="staging")
    s3.put_bucket_lifecycle_configuration(**read_template(CONF / "lifecycle.json", PLACES))
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket="staging")["Rules"]}
    assert rules["abort-unfinished-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 3
    assert rules["expire-packages"]["Filter"]["Prefix"] == "seisbatch/packages/"


def test_a_place_that_is_none_is_told(tmp_path):
    file = tmp_path / "cluster.json"
    file.write_text('{"Name": "${nmae}"}')
    with pytest.raises(RunError, match=r"cluster.json: there is no place \$\{nmae\}; places are .*name"):
        read_template(file, PLACES)
    file.write_text('{"Name": ')
    with pytest.raises(RunError, match="cluster.json is not JSON"):
        read_template(file, PLACES)
    with pytest.raises(RunError, match="gone.json cannot be read"):
        read_template(tmp_path / "gone.json", PLACES)


def test_a_key_without_a_value_is_left_out_at_any_depth():
    assert filled({"a": {"b": "${x}", "c": ["${x}", "${y}", 1, True]}}, {"x": "", "y": "z"}) == {"a": {"c": ["z", 1, True]}}
