"""What is known about datasets, as those see it who ask over HTTP, by SQL and by the program."""

import json
import os
import subprocess

import pytest
from harness import BINARY, Problem, pyiceberg_catalog

ORDERS = "id,email,amount\n1,ann@example.org,10.5\n2,bob@example.org,20\n"
MORE = "id,email,amount\n3,cyd@example.org,7\n"


def meta(name, rest="metadata"):
    return f"/catalog/datasets/by-name/{name}/{rest}"


def cli(server, *arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LAKEHOUSE_SERVER": server.url})
    return done.returncode, done.stdout, done.stderr


def kinds(graph):
    return sorted((node["kind"], node["name"]) for node in graph["nodes"])


def test_a_dataset_that_cannot_be_read_hides_no_other(server):
    server.ingest(ORDERS, "sales.orders", name="orders.csv")
    server.ingest(MORE, "sales.lost", name="more.csv")
    location = next(server.data.rglob("lost-*/metadata"))
    location.rename(location.with_name("away"))
    listed = server.call("GET", "/datasets")
    assert [dataset["name"] for dataset in listed["datasets"]] == ["sales.orders"]
    assert [dataset["name"] for dataset in listed["unreadable"]] == ["sales.lost"]
    assert "missing" in listed["unreadable"][0]["problem"]
    location.with_name("away").rename(location)
    assert server.call("GET", "/datasets")["unreadable"] == []


def test_metadata_is_merged_shown_and_listed(server):
    server.ingest(ORDERS, "sales.orders", name="orders.csv", source="crm")
    known = server.call("PATCH", meta("sales.orders"), json={
        "description": "What was ordered", "owner": "sales", "tags": ["gold", "daily"],
        "freshness_sla_s": 86400,
        "columns": {"id": {"note": "the shop's number"},
                    "amount": {"sensitivity": "internal"}}})
    assert known["tags"] == ["daily", "gold"]
    assert known["freshness"]["sla_s"] == 86400 and known["freshness"]["stale"] is False
    known = server.call("PATCH", meta("sales.orders"), json={
        "owner": None, "columns": {"id": {"note": None}, "amount": {"sensitivity": "restricted"}}})
    assert known["owner"] is None
    assert known["description"] == "What was ordered"
    assert known["sensitivity"] == "restricted" and known["sensitivity_from"] == "columns"
    assert "id" not in known["columns"]
    assert server.call("GET", meta("sales.orders")) == known

    shown = server.call("GET", "/datasets/sales.orders")
    assert shown["description"] == "What was ordered"
    amount = next(column for column in shown["columns"] if column["name"] == "amount")
    assert amount["sensitivity"] == "restricted" and amount["decided_by"] == "person"
    assert shown["freshness"]["last_write_at"]

    def listed(query):
        return [one["name"] for one in server.call("GET", "/datasets?" + query)["datasets"]]

    assert listed("tag=gold&sensitivity=restricted&stale=false") == ["sales.orders"]
    assert listed("owner=nobody") == []

    history = server.call("GET", meta("sales.orders", "metadata/history"))["changes"]
    assert [change["by"] for change in history][:2] == ["person", "person"]
    assert history[0]["changes"]["owner"] == {"from": "sales", "to": None}


@pytest.mark.parametrize("body, says", [
    ({"ownr": "x"}, "ownr"),
    ({"columns": {"emial": {"note": "x"}}}, "emial"),
    ({"columns": {"email": {"notes": "x"}}}, "notes"),
    ({"columns": {"email": 5}}, "email"),
    ({"sensitivity": "huge"}, "huge"),
    ({"tags": [1]}, "tags"),
    ({"freshness_sla_s": 0}, "freshness_sla_s"),
    ([], "object"),
])
def test_what_makes_no_sense_is_refused_by_name(server, body, says):
    server.ingest(ORDERS, "refused.orders")
    before = server.call("GET", meta("refused.orders"))
    with pytest.raises(Problem) as refused:
        server.call("PATCH", meta("refused.orders"), json=body)
    assert refused.value.status == 400
    assert says in refused.value.detail
    assert server.call("GET", meta("refused.orders")) == before


def test_metadata_stands_in_the_tables_properties_and_moves_with_it(server):
    server.ingest(ORDERS, "moved.orders")
    server.call("PATCH", meta("moved.orders"), json={"description": "orders", "owner": "ann"})
    catalog = pyiceberg_catalog(server)
    table = catalog.load_table("moved.orders")
    assert table.properties["comment"] == "orders"
    # Another engine's word counts, too.
    with table.transaction() as transaction:
        transaction.set_properties({"comment": "from pyiceberg"})
    server.sql("ALTER TABLE moved.orders RENAME TO purchases")
    known = server.call("GET", meta("moved.purchases"))
    assert (known["description"], known["owner"]) == ("from pyiceberg", "ann")
    # The metastore forgets the table; its files do not.
    location = catalog.load_table("moved.purchases").metadata_location
    catalog.drop_table("moved.purchases")
    catalog.register_table("moved.again", location)
    assert server.call("GET", meta("moved.again"))["owner"] == "ann"
    graph = server.call("GET", meta("moved.again", "lineage"))
    assert ("source", "upload") in kinds(graph)


def test_lineage_from_the_source_system_to_what_is_derived(server):
    server.ingest(ORDERS, "line.orders", name="orders.csv", source="crm")
    server.ingest(MORE, "line.orders", name="more.csv", source="crm")
    server.sql("CREATE TABLE line.totals AS SELECT sum(amount) AS total FROM line.orders")
    server.sql("CREATE TABLE line.empty AS SELECT * FROM line.orders WHERE false")
    server.sql("INSERT INTO line.totals SELECT sum(o.amount) FROM line.orders o, line.totals t")
    server.sql("INSERT INTO line.totals VALUES (1)")
    graph = server.call("GET", meta("line.orders", "lineage"))
    assert kinds(graph) == [
        ("dataset", "line.empty"), ("dataset", "line.orders"), ("dataset", "line.totals"),
        ("job", "create_table_as"), ("job", "create_table_as"), ("job", "ingest"),
        ("job", "insert"), ("source", "crm")]
    ingest = next(node for node in graph["nodes"] if node["name"] == "ingest")
    assert ingest["runs"] == 2 and ingest["last_run"]["file"] == "more.csv"
    assert len(ingest["last_run"]["sha256"]) == 64
    names = {node["id"]: node["name"] for node in graph["nodes"]}
    assert ("crm", "ingest") in {(names[e["from"]], names[e["to"]]) for e in graph["edges"]}

    up = server.call("GET", meta("line.totals", "lineage?direction=up&depth=1"))
    assert up["truncated"] is True and ("source", "crm") not in kinds(up)
    runs = server.call("GET", meta("line.totals", "lineage/runs?limit=2"))
    assert [run["job"] for run in runs["runs"]] == ["insert", "insert"]
    assert runs["runs"][0]["detail"] == {} and runs["runs"][0]["inputs"] == []
    assert "SELECT sum(o.amount)" in runs["runs"][1]["detail"]["sql"]
    rest = server.call("GET", meta("line.totals",
                                   f"lineage/runs?page_token={runs['next_page_token']}"))
    assert [run["job"] for run in rest["runs"]] == ["create_table_as"]

    server.ingest(MORE, "line.orders", name="new.csv", mode="replace", source="erp")
    graph = server.call("GET", meta("line.orders", "lineage?direction=up"))
    assert kinds(graph) == [("dataset", "line.orders"), ("job", "ingest"), ("source", "erp")]
    server.sql("CREATE OR REPLACE TABLE line.empty (id BIGINT)")
    graph = server.call("GET", meta("line.empty", "lineage"))
    assert kinds(graph) == [("dataset", "line.empty"), ("job", "create_table")]
    server.sql("DROP TABLE line.orders")
    graph = server.call("GET", meta("line.totals", "lineage"))
    assert any(node.get("gone") and node["name"] == "line.orders" for node in graph["nodes"])


def test_views_are_in_the_lineage(server):
    server.ingest(ORDERS, "seen.orders")
    schema = {"type": "struct", "schema-id": 0, "fields": [
        {"id": 1, "name": "id", "type": "long", "required": False}]}
    server.call("POST", "/iceberg/v1/namespaces/seen/views", json={
        "name": "ids", "schema": schema, "properties": {},
        "view-version": {"version-id": 1, "timestamp-ms": 1700000000000, "schema-id": 0,
                         "summary": {"engine-name": "test"}, "default-namespace": ["seen"],
                         "representations": [{
                             "type": "sql", "dialect": "spark",
                             "sql": "WITH a AS (SELECT id FROM orders) SELECT id FROM a"}]}})
    graph = server.call("GET", meta("seen.orders", "lineage?direction=down"))
    assert ("view", "seen.ids") in kinds(graph)
    again = server.call("GET", meta("seen.orders", "lineage?direction=down"))
    assert again == graph
    up = server.call("GET", meta("seen.ids", "lineage?direction=up"))
    assert ("dataset", "seen.orders") in kinds(up)
    assert up["root"].startswith("view:")


def test_rollback_takes_rows_back_and_lets_files_come_again(server):
    first = server.ingest(ORDERS, "back.orders")
    second = server.ingest(MORE, "back.orders")
    key = {"Idempotency-Key": "roll-1"}
    body = {"snapshot_id": first["snapshot_id"]}
    answer = server.call("POST", meta("back.orders", "rollback"), json=body, headers=key)
    assert answer == {"dataset": "back.orders", "snapshot_id": first["snapshot_id"]}
    assert server.value("SELECT count(*) FROM back.orders") == 2
    assert server.call("GET", "/datasets/back.orders")["snapshot_id"] == first["snapshot_id"]
    again = server.ingest(MORE, "back.orders")
    assert again["duplicate"] is False
    assert server.value("SELECT count(*) FROM back.orders") == 3
    # The same request again does nothing; another one under its key is refused.
    assert server.call("POST", meta("back.orders", "rollback"), json=body, headers=key) == answer
    assert server.value("SELECT count(*) FROM back.orders") == 3
    with pytest.raises(Problem) as refused:
        server.call("POST", meta("back.orders", "rollback"), headers=key,
                    json={"snapshot_id": second["snapshot_id"]})
    assert refused.value.status == 422
    with pytest.raises(Problem) as unknown:
        server.call("POST", meta("back.orders", "rollback"), json={"snapshot_id": 7})
    assert unknown.value.status == 404
    assert server.ingest(ORDERS, "back.orders")["duplicate"] is True


def test_the_registry_by_sql(server):
    server.ingest(ORDERS, "asked.orders")
    server.call("PATCH", meta("asked.orders"), json={
        "owner": "ann", "tags": ["x", "y"], "columns": {"email": {
            "sensitivity": "confidential", "category": "email", "note": "of the buyer"}}})
    assert server.rows("SELECT owner, sensitivity, tags, row_count, is_stale, last_write_at IS NOT NULL "
                       "FROM information_schema.datasets WHERE table_schema = 'asked'") == [
        ["ann", "confidential", ["x", "y"], 2, False, True]]
    assert server.rows("SELECT column_name, category, decided_by, note "
                       "FROM information_schema.column_notes WHERE table_schema = 'asked' "
                       "AND column_name = 'email'") == [
        ["email", "email", "person", "of the buyer"]]


def test_the_program_describes_and_shows(server):
    server.ingest(ORDERS, "shown.orders", source="crm")
    assert cli(server, "datasets", "describe", "shown.orders", "--owner", "ann", "--tag", "a",
               "--tag", "b", "--freshness-sla-s", "60")[0] == 0
    assert cli(server, "datasets", "describe", "shown.orders", "--column", "email",
               "--sensitivity", "restricted", "--note", "private")[0] == 0
    code, shown, _ = cli(server, "datasets", "show", "shown.orders")
    assert code == 0 and "owner: ann" in shown and "tags: a b" in shown and "private" in shown
    assert json.loads(cli(server, "datasets", "list", "--owner", "ann", "--tag", "a", "--json")[1])
    code, lineage, _ = cli(server, "datasets", "lineage", "shown.orders")
    assert code == 0 and "<- source crm" in lineage
    code, history, _ = cli(server, "datasets", "history", "shown.orders", "--json")
    assert len(json.loads(history)) >= 2
    code, snapshots, _ = cli(server, "datasets", "snapshots", "shown.orders", "--json")
    first = json.loads(snapshots)[0]["snapshot_id"]
    code, said, _ = cli(server, "datasets", "rollback", "shown.orders", str(first))
    assert code == 0 and "now" in said
    assert cli(server, "datasets", "describe", "shown.orders", "--owner", "-")[0] == 0
    assert server.call("GET", meta("shown.orders"))["owner"] is None
    code, _, error = cli(server, "datasets", "describe", "shown.orders", "--note", "x")
    assert code == 2 and "--column" in error
    assert cli(server, "datasets", "rollback", "shown.orders", "7")[0] == 1


def test_what_is_known_survives_the_loss_of_the_metastore(own_server):
    own_server.ingest(ORDERS, "kept.orders", source="crm")
    own_server.sql("CREATE TABLE kept.totals AS SELECT sum(amount) AS total FROM kept.orders")
    own_server.call("PATCH", meta("kept.orders"), json={
        "owner": "ann", "tags": ["gold"], "columns": {"email": {"note": "of the buyer"}}})
    known = own_server.call("GET", meta("kept.orders"))
    graph = own_server.call("GET", meta("kept.orders", "lineage"))
    own_server.stop()
    for file in own_server.data.glob("metastore.db*"):
        file.unlink()
    done = subprocess.run([BINARY, "catalog", "rebuild", "--data", own_server.data],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    own_server.start()
    assert own_server.call("GET", meta("kept.orders")) == known
    again = own_server.call("GET", meta("kept.orders", "lineage"))
    assert kinds(again) == kinds(graph)
    assert sorted(map(str, again["edges"])) == sorted(map(str, graph["edges"]))
