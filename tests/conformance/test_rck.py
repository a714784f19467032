"""Iceberg's own REST compatibility kit: all of its tests, with everything on that the server can claim."""

import pathlib
import subprocess
import xml.etree.ElementTree

import pytest

from harness import Server

RUN = pathlib.Path(__file__).parent / "rck" / "run"
# What the server claims to be able to do. The kit asks less of a server that claims less.
CLAIMS = {
    "rck.requires-namespace-create": "true",
    "rck.supports-serverside-retry": "true",
    "rck.overrides-requested-location": "true",
    "rck.supports-names-with-dot": "true",
}
# What the kit leaves out for every server, or for every one in which the root holds no tables. That ours takes nested
# namespaces and names with slashes is in test_hostile_names.py.
_EMPTY, _FIXED = "tables in the empty namespace", "switched off in the kit itself"
SKIPPED = {
    "RESTCompatibilityKitCatalogTests.createAndDropEmptyNamespace()": _EMPTY,
    "RESTCompatibilityKitCatalogTests.listNamespacesWithEmptyNamespace()": _EMPTY,
    "RESTCompatibilityKitCatalogTests.listTablesInEmptyNamespace()": _EMPTY,
    "RESTCompatibilityKitCatalogTests.namespacePropertiesOnEmptyNamespace()": _EMPTY,
    "RESTCompatibilityKitViewCatalogTests.listViewsInEmptyNamespace()": _EMPTY,
    "RESTCompatibilityKitCatalogTests.createTableInUniqueLocation()": _FIXED,
    "RESTCompatibilityKitCatalogTests.testDropNamespaceWithNestedNamespace()": _FIXED,
    "RESTCompatibilityKitCatalogTests.testListNestedNamespaces()": _FIXED,
    "RESTCompatibilityKitCatalogTests.testNamespaceWithSlash()": _FIXED,
    "RESTCompatibilityKitCatalogTests.testTableNameWithSlash()": _FIXED,
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{test: (outcome, text)} of one run."""
    folder = tmp_path_factory.mktemp("rck")
    with Server(folder / "data") as server:
        flags = [f"-D{name}={value}" for name, value in CLAIMS.items()]
        ran = subprocess.run([RUN, server.iceberg, folder / "reports", *flags],
                             capture_output=True, text=True, timeout=1800)
    outcomes = {}
    for report in (folder / "reports").glob("*.xml"):
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            name = f"{case.get('classname').rsplit('.', 1)[-1]}.{case.get('name')}"
            kinds = [child for child in case if child.tag in ("failure", "error", "skipped")]
            outcomes[name] = (kinds[0].tag, kinds[0].text or "") if kinds else ("passed", "")
    assert outcomes, ran.stdout[-3000:] + ran.stderr[-3000:]
    return outcomes


def test_no_test_of_the_kit_fails(outcomes):
    failed = {name: text[:600] for name, (outcome, text) in outcomes.items() if outcome in ("failure", "error")}
    assert not failed, "\n\n".join(f"{name}\n{text}" for name, text in failed.items())
    assert sum(outcome == "passed" for outcome, _ in outcomes.values()) == 147


def test_the_kit_leaves_out_only_what_does_not_apply(outcomes):
    skipped = {name: text.strip().splitlines()[:1] for name, (outcome, text) in outcomes.items() if outcome == "skipped"}
    assert skipped.keys() == SKIPPED.keys(), skipped
