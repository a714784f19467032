"""Schemathesis against /openapi.json: no 500, no answer outside the declared schema."""

import os
import pathlib
import subprocess
import sys

from harness import eventually


def test_schemathesis_finds_nothing(server):
    server.ingest("id,name\n1,a\n", "main.sample")
    # What the document's examples search is ready: one that is being built answers 503 for good reason.
    document = server.call("GET", "/openapi.json")
    made = document["paths"]["/vectors/index"]["post"]["requestBody"]["content"]["application/json"]["example"]
    job = server.call("POST", "/vectors/index", json=made)["job_id"]
    eventually(lambda: server.call("GET", f"/jobs/{job}")["state"] == "done")
    examples = os.environ.get("LAKEHOUSE_SCHEMATHESIS_EXAMPLES", "20")
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    done = subprocess.run(
        [program, "run", server.url + "/openapi.json", "--checks",
         "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
         # One worker: in Python before 3.11.5 ast.parse fails now and then when two threads are at it.
         "--max-examples", examples, "--workers", "1", "--request-timeout", "60",
         "--phases", "examples,coverage,fuzzing", "--no-color"],
        capture_output=True, text=True, timeout=1200, check=False, cwd=server.data.parent)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert server.request("GET", "/health").status_code == 200


def test_the_document_names_every_route_family(server):
    document = server.call("GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    for path in ("/health", "/query/sql", "/ingest/file", "/datasets", "/iceberg/v1/config",
                 "/iceberg/v1/namespaces/{namespace}/tables/{table}"):
        assert path in document["paths"], path
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                assert operation["operationId"] and operation["responses"], (path, method)
