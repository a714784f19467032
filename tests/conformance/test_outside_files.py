"""A commit that names files outside its table is refused, however deep in its metadata it names them."""

import pathlib
import shutil

import pyarrow as pa
import pyarrow.parquet
import pytest
from pyiceberg.exceptions import BadRequestError
from pyiceberg.manifest import write_manifest_list

from harness import files_of, pyiceberg_catalog


@pytest.fixture
def tables(server):
    catalog = pyiceberg_catalog(server)
    rows = pa.table({"id": [1, 2, 3]})
    made = []
    for name in ("main.mine", "main.theirs"):
        table = catalog.create_table(name, schema=rows.schema)
        table.append(rows)
        made.append(table)
    yield made
    for name in ("main.mine", "main.theirs"):
        catalog.purge_table(name)


def data_file(server, name):
    return next(path for path in files_of(server, name) if path.endswith(".parquet"))


def unchanged(server, table):
    return server.call("GET", "/iceberg/v1/namespaces/main/tables/mine")["metadata-location"] == table.metadata_location


def commit_of(table, manifest_list, **more):
    sequence_number = table.metadata.last_sequence_number + 1
    snapshot = {"snapshot-id": 77, "sequence-number": sequence_number, "timestamp-ms": table.metadata.last_updated_ms + 1,
                "parent-snapshot-id": table.current_snapshot().snapshot_id, "schema-id": 0,
                "manifest-list": manifest_list, "summary": {"operation": "append"}, **more}
    return {"requirements": [], "updates": [{"action": "add-snapshot", "snapshot": snapshot},
                                            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
                                             "snapshot-id": 77}]}


def listing(table, manifests):
    """A manifest list in the table's own folder that names these manifests."""
    location = f"{table.location()}/metadata/snap-77.avro"
    with write_manifest_list(2, table.io.new_output(location), 77, table.current_snapshot().snapshot_id,
                             table.metadata.last_sequence_number + 1, "deflate") as writer:
        writer.add_manifests(manifests)
    return location


def refused(server, body, word):
    response = server.request("POST", "/iceberg/v1/namespaces/main/tables/mine", json=body)
    assert response.status_code == 400, response.text
    assert "outside the table's location" in response.json()["error"]["message"]
    assert word in response.json()["error"]["message"]


def test_data_files_of_another_table_or_of_the_machine_are_refused(server, tables, tmp_path):
    mine, _ = tables
    elsewhere = tmp_path / "elsewhere.parquet"
    pyarrow.parquet.write_table(pa.table({"id": [1]}), elsewhere)
    for path in (f"file://{data_file(server, 'main.theirs')}", data_file(server, "main.theirs"), f"file://{elsewhere}",
                 str(elsewhere), f"{mine.location()}/../{elsewhere.name}"):
        if ".." in path:
            shutil.copy(elsewhere, pathlib.Path(mine.location().removeprefix("file://")).parent / elsewhere.name)
        with pytest.raises(BadRequestError, match="outside the table's location"):
            mine.add_files([path])
        mine.refresh()
    assert server.value("SELECT count(*) FROM main.mine") == 3


def test_a_data_file_within_the_table_is_taken(server, tables):
    mine, _ = tables
    folder = pathlib.Path(mine.location().removeprefix("file://")) / "data"
    pyarrow.parquet.write_table(pa.table({"id": [4, 5]}), folder / "own.parquet")
    mine.add_files([f"file://{folder}/own.parquet"])
    assert server.value("SELECT count(*) FROM main.mine") == 5


def test_lists_and_manifests_of_another_table_are_refused(server, tables):
    mine, theirs = tables
    foreign = theirs.current_snapshot()
    refused(server, commit_of(mine, foreign.manifest_list), foreign.manifest_list)
    # It is all the same who says that they are: the snapshot, the list, or the client that asks to lie there.
    manifests = foreign.manifests(theirs.io)
    own = mine.current_snapshot().manifests(mine.io)
    refused(server, commit_of(mine, listing(mine, own + manifests)), manifests[0].manifest_path)
    moved = commit_of(mine, foreign.manifest_list)
    moved["updates"].insert(0, {"action": "set-location", "location": theirs.location()})
    response = server.request("POST", "/iceberg/v1/namespaces/main/tables/mine", json=moved)
    assert response.status_code == 400 and "is that of main.theirs" in response.text
    assert unchanged(server, mine)


def test_a_transaction_and_statistics_are_asked_too(server, tables):
    mine, theirs = tables
    change = {"identifier": {"namespace": ["main"], "name": "mine"},
              **commit_of(mine, theirs.current_snapshot().manifest_list)}
    response = server.request("POST", "/iceberg/v1/transactions/commit", json={"table-changes": [change]})
    assert response.status_code == 400 and "outside" in response.text
    refused(server, {"requirements": [], "updates": [{
        "action": "set-statistics", "snapshot-id": mine.current_snapshot().snapshot_id, "statistics": {
            "snapshot-id": mine.current_snapshot().snapshot_id, "statistics-path": "file:///etc/passwd",
            "file-size-in-bytes": 1, "file-footer-size-in-bytes": 1, "blob-metadata": []}}]}, "/etc/passwd")
    assert unchanged(server, mine)


def test_a_list_that_is_none_is_refused(server, tables):
    mine, _ = tables
    location = f"{mine.location()}/metadata/junk.avro"
    pathlib.Path(location.removeprefix("file://")).write_bytes(b"Obj\x01junk")
    response = server.request("POST", "/iceberg/v1/namespaces/main/tables/mine", json=commit_of(mine, location))
    assert response.status_code == 400, response.text
    assert unchanged(server, mine)
