"""HTTP calls: an activity by the name that SDKs have for it, which the server runs.

What is called, at the address --target, kills the server on the way. This SDK has no
words of its own for such a call: it is an activity like any other.
"""

import argparse

import harness
from harness import FAILED, case, equal, orchestrator

HTTP = "BuiltIn::HttpActivity"
TARGET = ""


@orchestrator
def fetch(ctx, request):
    return (yield ctx.call_activity(HTTP, input=request))


def call(h, method, path, target=None, **more):
    """Makes a call and returns its answer."""
    return h.run(fetch, {"method": method, "uri": (target or TARGET) + path, **more})


def refused(h, text, method, path, target=None, **more):
    """Makes a call that must fail, with this text in its message."""
    message = h.run(fetch, {"method": method, "uri": (target or TARGET) + path, **more}, want=FAILED).message
    assert text in message, f"{message!r} does not say {text!r}"


@case("HTTP calls: when the server is killed one without an answer is made again, and polling goes on")
def _(h):
    for path in ("/lost", "/polled"):  # one after the other: each kills the server
        r = call(h, "POST", path, content="x")
        equal((r["statusCode"], r["content"]), (200, f"done {path}"))


@case("HTTP calls: headers, body and status come back as they are")
def _(h):
    r = call(h, "POST", "/echo", content="body ä\n", headers={"X-Sent": "here"})
    equal((r["statusCode"], r["content"], r["headers"]["X-Got"]), (418, "body ä\n", "here"))


@case("HTTP calls: an answer 202 is not polled if the caller says so")
def _(h):
    r = call(h, "GET", "/accepted", asynchronousPatternEnabled=False)
    equal((r["statusCode"], r["headers"]["Location"]), (202, "/never"))


@case("HTTP calls: a redirect to another host is the answer")
def _(h):
    r = call(h, "GET", "/elsewhere", headers={"Authorization": "secret"})
    equal(r["statusCode"], 302)


@case("HTTP calls: what is refused says what to set")
def _(h):
    port = TARGET.rsplit(":", 1)[1]
    refused(h, "calls.hosts", "GET", "/", target="https://example.com")
    refused(h, "calls.exempt", "GET", "/", target=f"http://127.0.0.9:{port}")
    refused(h, "calls.response", "GET", "/large")
    refused(h, "put the credentials into a header", "GET", "/echo", tokenSource={"kind": "AzureManagedIdentity", "resource": "r"})


def main():
    global TARGET
    p = argparse.ArgumentParser()
    p.add_argument("--address", required=True, help="HOST:PORT of the server")
    p.add_argument("--target", required=True, help="http://HOST:PORT of what is called")
    a = p.parse_args()
    TARGET = a.target
    h = harness.Harness(a.address, patient=True)
    with h.worker:
        h.worker.start()
        for name, f, _ in harness.CASES:
            harness.run_one(h, name, f)


if __name__ == "__main__":
    main()
