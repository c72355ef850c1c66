"""Job runs and applications: requests as the model of EMR Serverless has them, and as moto takes them."""

import shlex

import boto3
import pytest
from botocore.stub import Stubber
from seisbatch.launch.serverless import Serverless, job_driver, split_arguments, start_request
from seisbatch.launch.service import Run
from seisbatch.outcome import RunError

from tests.launch.conftest import ACCOUNT, ARGUMENTS, PLACES, REGION, application, job_run_of, template
from tests.launch.test_requests import problems

NAME = PLACES["name"]
ARN = f"arn:aws:emr-serverless:{REGION}:{ACCOUNT}:/applications/00f1"


@pytest.fixture
def client(aws):
    return boto3.client("emr-serverless")


def serverless(client, application_id=None, **of_application):
    return Serverless(client, application_id, application() | of_application, template("job-run.json"), sleep=lambda _: None)


@pytest.mark.parametrize("application_id", [None, "00f1"])
def test_requests_are_those_of_the_service(application_id):
    requests = serverless(None, application_id).requests(NAME, ARGUMENTS)
    assert [of.operation for of in requests] == ["CreateApplication"] * (not application_id) + ["StartJobRun"]
    for request in requests:
        assert "clientToken" in request.parameters
        assert problems(request.parameters, "emr-serverless", request.operation) == ""
        assert "Speling" in problems({**request.parameters, "Speling": 1}, "emr-serverless", request.operation)
    submit = {**requests[-1].parameters["jobDriver"]["sparkSubmit"], "entrypoint": "x"}
    wrong = {**requests[-1].parameters, "jobDriver": {"sparkSubmit": submit}}
    assert "entrypoint" in problems(wrong, "emr-serverless", "StartJobRun")


def test_spark_submit_s_arguments_are_taken_to_the_places_that_a_job_run_has():
    driver, apart = job_driver(ARGUMENTS)
    submit = driver["sparkSubmit"]
    assert submit["entryPoint"] == "s3://staging/packages/2/cross_correlate.py"
    assert submit["entryPointArguments"] == ["--channels", "CI.*..BHZ", "--out", "s3://results/run1"]
    line = submit["sparkSubmitParameters"]
    assert shlex.split(line) == line.split()  # read alike by whoever takes it to pieces
    assert "--deploy-mode" not in line
    assert "--conf spark.executor.cores=4" in line
    assert apart == {"spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseSerialGC"}
    assert job_driver(["--conf", "spark.redaction.regex=a|b", "job.py"])[1] == {"spark.redaction.regex": "a|b"}
    [defaults] = start_request({}, "00f1", ARGUMENTS).parameters["configurationOverrides"]["applicationConfiguration"]
    assert defaults == {"classification": "spark-defaults", "properties": apart}


@pytest.mark.parametrize(("first", "last"), [("-Da=b", "-Da=b -Dc=d"), ("-Da=b -Dc=d", "-Da=b"), ("-Da=b", "-Dc=d")])
def test_the_last_of_a_property_holds_in_the_line_or_apart(first, last):
    """spark-submit's own options hold over spark-defaults, whatever order they were given in."""
    key = "spark.driver.extraJavaOptions"
    driver, apart = job_driver(["--conf", f"{key}={first}", "--conf", "a.b=c", "--conf", f"{key}={last}", "job.py"])
    words = driver["sparkSubmit"]["sparkSubmitParameters"].split()
    told = [word.partition("=")[2] for word in words if word.startswith(f"{key}=")]
    assert (told[-1] if told else apart[key]) == last
    assert "--conf a.b=c" in driver["sparkSubmit"]["sparkSubmitParameters"]


def test_an_application_of_other_processors_than_the_packages_is_told(client):
    found = {"applicationId": "00f1", "arn": ARN, "releaseLabel": "emr-7.5.0", "type": "Spark", "state": "STARTED",
             "createdAt": 0, "updatedAt": 0, "architecture": "X86_64"}  # fmt: skip
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("get_application", {"application": found})
        serverless(client, "00f1", architecture="X86_64").require()
        with pytest.raises(RunError, match="00f1 is of X86_64, and packages would be of ARM64: set architecture"):
            serverless(client, "00f1").require()


def test_arguments_that_cannot_be_sent_are_told():
    with pytest.raises(RunError, match="name no job file"):
        split_arguments(["--conf", "a=b"])
    with pytest.raises(RunError, match="takes no spaces and no such signs here"):
        job_driver(["--files", "s3://b/a file", "job.py"])
    assert split_arguments(["--conf=a=b", "job.py"]).options == [("--conf", "a=b")]


def test_an_application_is_made_once_and_found_again(client):
    first = serverless(client).submit(NAME, ARGUMENTS)
    second = serverless(client).submit(NAME, ARGUMENTS)
    assert first.group == second.group
    assert first.id != second.id
    newer = serverless(client, releaseLabel="emr-7.6.0").submit(NAME, ARGUMENTS)
    assert newer.group != first.group
    made = [client.get_application(applicationId=of)["application"] for of in (first.group, newer.group)]
    assert {one["name"] for one in made} == {"seisbatch-aarch64"}
    assert {one["maximumCapacity"]["cpu"] for one in made} == {"264 vCPU"}


def test_one_of_another_architecture_is_not_taken(client):
    found = {"id": "00f1", "arn": ARN, "name": "seisbatch-aarch64", "releaseLabel": "emr-7.5.0", "type": "Spark",
             "state": "STARTED", "createdAt": 0, "updatedAt": 0, "architecture": "X86_64"}  # fmt: skip
    with Stubber(client) as stub:
        stub.add_response("list_applications", {"applications": [found], "nextToken": "t"})
        stub.add_response("list_applications", {"applications": [found | {"id": "00f2", "architecture": "ARM64"}]})
        stub.add_response("start_job_run", {"applicationId": "00f2", "jobRunId": "r-1", "arn": ARN})
        assert serverless(client).submit(NAME, ARGUMENTS).group == "00f2"


def test_a_new_application_is_waited_for(client):
    slept = []
    service = Serverless(client, None, application(), template("job-run.json"), sleep=slept.append)
    about = {
        "applicationId": "00f1",
        "arn": ARN,
        "releaseLabel": "emr-7.5.0",
        "type": "Spark",
        "createdAt": 0,
        "updatedAt": 0,
    }
    with Stubber(client) as stub:
        stub.add_response("list_applications", {"applications": []})
        stub.add_response("create_application", {"applicationId": "00f1", "arn": ARN})
        for state in ("CREATING", "CREATING", "CREATED"):
            stub.add_response("get_application", {"application": about | {"state": state}})
        stub.add_response("start_job_run", {"applicationId": "00f1", "jobRunId": "r-1", "arn": ARN})
        assert service.submit(NAME, ARGUMENTS).id == "r-1"
    assert len(slept) == 2


def test_a_run_is_what_was_asked_for(client):
    run = serverless(client).submit(NAME, ARGUMENTS)
    taken = client.get_job_run(applicationId=run.group, jobRunId=run.id)["jobRun"]
    assert taken["name"] == NAME
    assert taken["executionRole"] == PLACES["role"]
    assert taken["jobDriver"] == job_driver(ARGUMENTS)[0]
    assert taken["tags"] == {"application": "seisbatch", "job": "cross_correlate"}
    assert taken["configurationOverrides"]["monitoringConfiguration"]["s3MonitoringConfiguration"] == {
        "logUri": "s3://staging/seisbatch/logs/"
    }


def test_states_of_a_job_run(client):
    service = serverless(client)
    run = service.submit(NAME, ARGUMENTS)
    seen = {}
    for name in ("SUBMITTED", "RUNNING", "SUCCESS", "CANCELLED", "FAILED"):
        job_run_of(run).state = name
        job_run_of(run).state_details = (
            "Job execution failed, please check complete logs in configured logging destination. ExitCode: 3. Last few "
            "exceptions: ..." if name == "FAILED" else ""
        )  # fmt: skip
        state = service.state(run)
        seen[state.name] = (state.is_final, state.is_ok, state.exit_code)
    assert seen == {
        "SUBMITTED": (False, False, None), "RUNNING": (False, False, None), "SUCCESS": (True, True, 0),
        "CANCELLED": (True, False, None), "FAILED": (True, False, 3),
    }  # fmt: skip
    assert "Last few exceptions" in state.message


def test_a_run_is_cancelled(client):
    service = serverless(client)
    run = service.submit(NAME, ARGUMENTS)
    service.cancel(run)
    assert client.get_job_run(applicationId=run.group, jobRunId=run.id)["jobRun"]["state"] == "CANCELLED"


def test_failures_are_told(client):
    with pytest.raises(RunError, match=r"there is no such application.*list-applications"):
        serverless(client, "00fnosuch").submit(NAME, ARGUMENTS)
    with pytest.raises(RunError, match=r"creating the application .*does not have this release"):
        serverless(client, releaseLabel="emr-none").submit(NAME, ARGUMENTS)
    run = serverless(client).submit(NAME, ARGUMENTS)
    no_role = Serverless(client, run.group, None, template("job-run.json", role=""))
    with pytest.raises(RunError, match=r"needs a role to run as: .*conf/emr/policy.json"):
        no_role.submit(NAME, ARGUMENTS)
    others = Serverless(client, run.group, None, template("job-run.json", role="arn:aws:iam::999999999999:role/x"))
    with pytest.raises(RunError, match="the role for it cannot be handed over"):
        others.submit(NAME, ARGUMENTS)
    client.stop_application(applicationId=run.group)
    client.delete_application(applicationId=run.group)
    with pytest.raises(RunError, match=rf"the application {run.group} is TERMINATED: name another"):
        serverless(client, run.group).submit(NAME, ARGUMENTS)


def test_logs_are_where_amazon_puts_them():
    """docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html"""
    logs = {log.name: log.uri for log in serverless(None).logs(Run("00f1", "r-1", "s3://b/logs"))}
    assert logs["driver stdout"] == "s3://b/logs/applications/00f1/jobs/r-1/SPARK_DRIVER/stdout.gz"


def test_the_link_to_the_spark_ui(client):
    run, service = Run("00f1", "r-1"), serverless(client)
    with Stubber(client) as stub:
        expected = {"applicationId": "00f1", "jobRunId": "r-1"}
        stub.add_response("get_dashboard_for_job_run", {"url": "https://r-1.example/shs?token=t"}, expected)
        stub.add_client_error("get_dashboard_for_job_run", "ValidationException", "not yet")
        assert service.ui(run) == "https://r-1.example/shs?token=t"
        assert service.ui(run) is None
    assert f"region={REGION}" in service.page(run)
