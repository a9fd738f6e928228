"""Code of the SDK's own documentation, taken from the installed package and run as it stands there.

The samples connect to localhost:4001, which is where the server is for users. Who
runs this at another port tells gRPC so by its environment (grpc_proxy).
"""

import doctest
import gzip
import importlib.metadata
import os
import re
import tempfile
import textwrap
import time
from datetime import datetime, timedelta, timezone

from durabletask import client
from durabletask import worker as workers
from durabletask.extensions import history_export as export
from durabletask.extensions.history_export import writer as writers

import harness
from harness import COMPLETED, FAILED, case, equal, eventually


def finished(c, instance, want):
    s = c.wait_for_orchestration_completion(instance, timeout=30)
    equal(s.runtime_status, want)
    return s


@case("samples: the worker of the SDK's reference")
def _(_):
    examples = [e.source for e in doctest.DocTestParser().get_examples(workers.TaskHubGrpcWorker.__doc__)]
    assert len(examples) >= 7, examples
    names = {}
    c = client.TaskHubGrpcClient()
    for source in examples:
        exec(source, names)
        if source.strip() == "worker.stop()":
            break  # the next one registers what a decorator of the SDK has made a string of
        if source.strip() == "worker.start()":
            equal(finished(c, c.schedule_new_orchestration("my_orchestrator"), COMPLETED).get_output(), "Processed: hello")


@case("samples: the properties of exceptions in the README")
def _(_):
    text = importlib.metadata.metadata("durabletask").get_payload()
    block = next(b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "FailureProperties" in b)
    names = {}
    exec(block, names)
    w, c = names["worker"], client.TaskHubGrpcClient()

    def failing(ctx, _):
        error = ValueError("no")
        error.error_code = 42
        raise error
    w.add_orchestrator(failing)
    with w:
        w.start()
        s = finished(c, c.schedule_new_orchestration(failing), FAILED)
        equal(s.failure_details.properties, {"error_code": 42})


@case("samples: the writer of exported histories in the SDK's reference")
def _(_):
    text = writers.__doc__.split("Example custom writer::", 1)[1]
    code = textwrap.dedent(re.match(r"\n((?:\n|    .*\n)+)", text).group(1)).split("\nwriter = ")[0]
    names = {"Mapping": dict}
    exec(code, names)
    folder, c = tempfile.mkdtemp(), client.TaskHubGrpcClient()
    x = export.ExportHistoryClient(c, names["LocalFileSystemHistoryWriter"](folder))
    w = workers.TaskHubGrpcWorker()
    w.add_orchestrator(plain)
    x.register_worker(w)
    begin = datetime.now(timezone.utc)
    with w:
        w.start()
        finished(c, c.schedule_new_orchestration(plain), COMPLETED)
        time.sleep(0.01)
        job = x.create_job(export.ExportJobCreationOptions(
            mode=export.ExportMode.BATCH, completed_time_from=begin - timedelta(seconds=1), completed_time_to=datetime.now(timezone.utc),
            destination=export.ExportDestination(container="out")))
        equal(x.wait_for_job(job.job_id, timeout=30, poll_interval=0.05).status, export.ExportJobStatus.COMPLETED)
    files = [os.path.join(d, f) for d, _, names in os.walk(folder) for f in names]
    assert files and all("out" in f for f in files), files
    with gzip.open(files[0]) as f:
        assert b"xecution" in f.read()


def plain(ctx, _):
    return "plain"


if __name__ == "__main__":
    for name, f, _ in harness.CASES:
        harness.run_one(None, name, f)
