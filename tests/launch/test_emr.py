"""Steps and clusters: requests as Amazon EMR's model has them, and as moto takes them."""

import json

import boto3
import pytest
from botocore.stub import Stubber
from seisbatch.launch.emr import Emr, add_step_request, kill_request
from seisbatch.launch.service import Run
from seisbatch.outcome import RunError

from tests.launch.conftest import ARGUMENTS, PLACES, REGION, cluster_of, step_of, template
from tests.launch.test_requests import problems

NAME, APPLICATION = PLACES["name"], "application_1767268800000_0007"


@pytest.fixture
def client(aws):
    return boto3.client("emr")


@pytest.fixture
def own(client):
    """The service, and a run on a cluster that was made for it."""
    service = Emr(client, template=template("cluster.json"))
    return service, service.submit(NAME, ARGUMENTS)


@pytest.fixture
def cluster(client):
    """A cluster that is there, which does not end with its steps."""
    wanted = template("cluster.json") | {"LogUri": "s3n://others/logs/"}
    wanted["Instances"]["KeepJobFlowAliveWhenNoSteps"] = True
    return client.run_job_flow(**wanted)["JobFlowId"]


@pytest.mark.parametrize("service", [Emr(None, "j-1"), Emr(None, template=template("cluster.json"))])
def test_requests_are_those_of_the_service(service):
    [request] = service.requests(NAME, ARGUMENTS)
    assert problems(request.parameters, "emr", request.operation) == ""
    wrong = {**request.parameters, "Steps": [request.parameters["Steps"][0] | {"Arguments": []}]}
    assert "Arguments" in problems(wrong, "emr", request.operation)
    assert json.loads(json.dumps(request.parameters)) == request.parameters  # what --dry-run prints is what is sent


def test_a_cluster_is_made_with_one_step_and_ends_with_it(own, client):
    service, run = own
    described = client.describe_cluster(ClusterId=run.group)["Cluster"]
    assert described["ReleaseLabel"] == "emr-spark-8.0.0"
    assert described["AutoTerminate"] is True
    assert described["LogUri"] == "s3://staging/seisbatch/logs/"
    [step] = client.list_steps(ClusterId=run.group)["Steps"]
    assert step["Id"] == run.id
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    assert step["Config"]["Jar"] == "command-runner.jar"
    assert step["Config"]["Args"] == ["spark-submit", *ARGUMENTS]
    assert run.owns_group


def test_a_step_is_added_to_a_cluster_that_goes_on(client, cluster):
    run = Emr(client, cluster).submit(NAME, ARGUMENTS)
    [step] = client.list_steps(ClusterId=cluster)["Steps"]
    assert (step["Id"], step["Name"], step["ActionOnFailure"]) == (run.id, NAME, "CONTINUE")
    assert (run.group, run.logs, run.owns_group) == (cluster, "s3://others/logs", False)


def test_what_is_sent_is_what_was_shown(client, cluster):
    sent = []
    client.meta.events.register("provide-client-params.emr.*", lambda params, model, **_: sent.append((model.name, params)))
    service = Emr(client, cluster)
    service.submit(NAME, ARGUMENTS)
    [shown] = service.requests(NAME, ARGUMENTS)
    assert [of for of in sent if of[0] != "DescribeCluster"] == [(shown.operation, shown.parameters)]


def test_no_such_cluster_is_told(client):
    for asked in (Emr(client, "j-NOSUCH").require, lambda: Emr(client, "j-NOSUCH").submit(NAME, ARGUMENTS)):
        with pytest.raises(RunError, match=r"the cluster j-NOSUCH: there is no such cluster .*list-clusters"):
            asked()


def test_a_cluster_that_has_ended_is_told_before_a_step_is_added(client, cluster):
    client.terminate_job_flows(JobFlowIds=[cluster])
    with pytest.raises(RunError, match=rf"{cluster} is TERMINATED: name another, or write --on emr"):
        Emr(client, cluster).submit(NAME, ARGUMENTS)
    assert not client.list_steps(ClusterId=cluster)["Steps"]


def test_a_cluster_that_takes_steps_is_fine(client, cluster):
    Emr(client, cluster).require()
    Emr(client, template=template("cluster.json")).require()


def test_ctrl_c_as_a_cluster_has_been_made_tells_which(client):
    def interrupt(**_):
        raise KeyboardInterrupt

    client.meta.events.register("before-call.emr.ListSteps", interrupt)
    with pytest.raises(RunError, match=r"the cluster (j-\w+) was made, .*terminate-clusters --cluster-ids \1`"):
        Emr(client, template=template("cluster.json")).submit(NAME, ARGUMENTS)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"Applications": [{"Name": "Hive"}]}, "has no Spark"),
        ({"ReleaseLabel": "emr-7.5.0"}, r"of release emr-7\.5\.0, whose Spark is older than 4"),
    ],
)
def test_a_cluster_that_could_not_run_a_job_is_told(client, other, told):
    wanted = template("cluster.json") | other
    wanted["Instances"]["KeepJobFlowAliveWhenNoSteps"] = True
    made = client.run_job_flow(**wanted)["JobFlowId"]
    with pytest.raises(RunError, match=told):
        Emr(client, made).submit(NAME, ARGUMENTS)


def test_states_of_a_step(own):
    service, run = own
    seen = {}
    for name in ("RUNNING", "CANCEL_PENDING", "COMPLETED", "FAILED", "INTERRUPTED"):
        step_of(run).state = name
        state = service.state(run)
        seen[state.name] = (state.is_final, state.is_ok, state.exit_code)
    assert seen == {
        "RUNNING": (False, False, None), "CANCEL_PENDING": (False, False, None), "COMPLETED": (True, True, 0),
        "FAILED": (True, False, None), "INTERRUPTED": (True, False, None),
    }  # fmt: skip


def test_a_step_waits_for_its_cluster(own):
    service, run = own
    step_of(run).state = "PENDING"
    cluster_of(run).state = "STARTING"
    assert service.state(run).name == "PENDING, cluster STARTING"
    assert not service.state(run).is_final
    cluster_of(run).state = "TERMINATED_WITH_ERRORS"  # before it ever came to the step
    assert service.state(run).is_final
    assert not service.state(run).is_ok


def test_why_a_cluster_failed_is_told_with_what_to_do(client):
    run = Run("j-1", "s-1")
    with Stubber(client) as stub:
        stub.add_response("describe_step", {"Step": {"Id": "s-1", "Status": {"State": "CANCELLED"}}})
        reason = "EMR service role arn:aws:iam::123456789012:role/EMR_DefaultRole is invalid"
        why = {"Code": "VALIDATION_ERROR", "Message": reason}
        status = {"State": "TERMINATED_WITH_ERRORS", "StateChangeReason": why}
        stub.add_response("describe_cluster", {"Cluster": {"Id": "j-1", "Status": status}})
        state = Emr(client).state(run)
    assert state.is_final
    assert "`aws emr create-default-roles`" in state.message


def test_why_a_step_failed_is_told(client):
    with Stubber(client) as stub:
        details = {"Reason": "Unknown Error.", "LogFile": "s3://staging/logs/j-1/steps/s-1/stderr.gz"}
        status = {"State": "FAILED", "FailureDetails": details, "StateChangeReason": {}}
        stub.add_response("describe_step", {"Step": {"Id": "s-1", "Status": status}})
        assert Emr(client).state(Run("j-1", "s-1")).message == "Unknown Error."


def test_a_step_that_is_none_is_told(own):
    service, run = own
    with pytest.raises(RunError, match=f"the state of s-NONE on {run.group}: there is no such step"):
        service.state(Run(run.group, "s-NONE"))


def test_cancelling_ends_a_cluster_that_was_made_for_the_run(own, client):
    service, run = own
    service.cancel(run)
    assert client.describe_cluster(ClusterId=run.group)["Cluster"]["Status"]["State"] == "TERMINATED"


def test_cancelling_leaves_others_their_cluster_and_ends_the_driver_in_it(client):
    """moto has no CancelSteps: held against the service's model. A driver within the cluster outlives its step."""
    expected = {"ClusterId": "j-1", "StepIds": ["s-1"], "StepCancellationOption": "SEND_INTERRUPT"}
    submitted = {"CancelStepsInfoList": [{"StepId": "s-1", "Status": "SUBMITTED"}]}
    about = {"Id": "s-1", "AdditionalInfo": {"ResourceManagerApplicationIds": [APPLICATION]}}
    kill = kill_request("j-1", APPLICATION).parameters
    assert kill["Steps"][0]["HadoopJarStep"]["Args"] == ["yarn", "application", "-kill", APPLICATION]
    with Stubber(client) as stub:
        stub.add_response("cancel_steps", submitted, expected)
        stub.add_response("describe_step", {"Step": about})
        stub.add_response("add_job_flow_steps", {"StepIds": ["s-2"]}, kill)
        Emr(client).cancel(Run("j-1", "s-1"))
        stub.assert_no_pending_responses()
        failed = {"StepId": "s-1", "Status": "FAILED", "Reason": "Step is already complete"}
        stub.add_response("cancel_steps", {"CancelStepsInfoList": [failed]}, expected)
        with pytest.raises(RunError, match="cancelling s-1 on j-1: Step is already complete"):
            Emr(client).cancel(Run("j-1", "s-1"))


def test_logs_are_where_amazon_puts_them(own):
    """docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html"""
    service, run = own
    root = f"s3://staging/seisbatch/logs/{run.group}"
    assert [log for log in service.logs(run) if log.is_drivers] == []  # not known before the driver has been started
    lines = ["INFO Client: Requesting a new application", f"INFO Client: Submitted application {APPLICATION}"]
    told = Emr(boto3.client("emr"), read={f"{root}/steps/{run.id}/stderr.gz": lines}.get)
    by_name = {log.name: log.uri for log in told.logs(run)}
    assert by_name["step stderr"] == f"{root}/steps/{run.id}/stderr.gz"
    assert by_name["controller"] == f"{root}/steps/{run.id}/controller.gz"
    container = "container_1767268800000_0007_01_000001"
    assert by_name["driver stdout"] == f"{root}/containers/{APPLICATION}/{container}/stdout.gz"
    assert Emr(None).logs(Run("j-1", "s-2")) == []


def test_the_link_to_the_spark_ui(client):
    arn, run = "arn:aws:elasticmapreduce:us-west-2:123456789012:cluster/j-1", Run("j-1", "s-1")
    service = Emr(client)
    with Stubber(client) as stub:
        for ready in (True, False):
            stub.add_response("describe_cluster", {"Cluster": {"ClusterArn": arn}})
            stub.add_response("create_persistent_app_ui", {"PersistentAppUIId": "p-1"},
                              {"TargetResourceArn": arn, "ProfilerType": "SHS"})  # fmt: skip
            answer = {"PresignedURLReady": ready, "PresignedURL": "https://p-1.emrappui.example/shs"}
            stub.add_response("get_persistent_app_ui_presigned_url", answer,
                              {"PersistentAppUIId": "p-1", "PersistentAppUIType": "SHS"})  # fmt: skip
            assert service.ui(run) == ("https://p-1.emrappui.example/shs" if ready else None)
        stub.add_response("describe_cluster", {"Cluster": {"ClusterArn": arn}})
        stub.add_client_error("create_persistent_app_ui", "AccessDeniedException", "no")
        assert service.ui(run) is None
    assert service.page(run) == f"https://{REGION}.console.aws.amazon.com/emr/home?region={REGION}#/clusterDetails/j-1"


def test_a_request_that_the_service_would_not_know_is_not_sent(client, cluster):
    request = add_step_request(cluster, NAME, ARGUMENTS)
    request.parameters["Steps"][0]["ActionOnFailures"] = "CONTINUE"
    with pytest.raises(RunError, match="ActionOnFailures"):
        request.send(client, "adding a step")
    assert not client.list_steps(ClusterId=cluster)["Steps"]
