"""Schema evolution over HTTP and on the command line: found, applied as one change, and remembered."""

import base64
import gzip
import json
import subprocess

import pytest

from harness import BINARY, Problem

HEADER = "id,cust_no,ord_dt,amt,note\n"
NEW_HEADER = "id,Customer Number,Order Date,Amount,priority\n"


def orders(header, first, count=40):
    return header + "".join(f"{i},C-{10000 + i % 31},2024-02-{i % 28 + 1:02},{i * 3}.50,{'abc'[i % 3]}\n"
                            for i in range(first, first + count))


def diff(server, dataset, **fields):
    return server.call("POST", "/catalog/schema/diff", json={"dataset": dataset, **fields})


def test_a_rename_is_found_applied_once_and_remembered(server):
    server.ingest(orders(HEADER, 1), "evolve.orders", name="shop_2024-02-01.csv")
    before = server.call("GET", "/datasets/evolve.orders")
    found = diff(server, "evolve.orders", sample=orders(NEW_HEADER, 20), file_name="shop_2024-02-02.csv")
    assert {(one["from"], one["to"]) for one in found["renamed"]} == {
        ("cust_no", "customer_number"), ("ord_dt", "order_date"), ("amt", "amount")}
    assert all(one["confidence"] > 0.9 and one["evidence"] for one in found["renamed"]), found["renamed"]
    assert found["added"] == ["priority"] and found["removed"] == ["note"]
    assert found["headers"]["customer_number"] == "Customer Number"
    assert found["schema_fingerprint"] == before["schema_fingerprint"] and not found["same_shape"]
    assert found["source"] == "shop"
    rules = [rule for rule in found["rules"] if rule["recommended"]]
    body = {"dataset": "evolve.orders", "source": "shop", "rules": rules, "schema_id": found["schema_id"]}

    tried = server.call("POST", "/catalog/schema/migrate", json={**body, "dry_run": True})
    assert tried["changed"] and server.call("GET", "/datasets/evolve.orders")["columns"] == before["columns"]
    key = {"Idempotency-Key": "migrate-once"}
    done = server.call("POST", "/catalog/schema/migrate", json=body, headers=key)
    assert 'ALTER TABLE "evolve"."orders" RENAME COLUMN "cust_no" TO "customer_number"' in done["sql"]
    assert server.call("POST", "/catalog/schema/migrate", json=body, headers=key) == done
    with pytest.raises(Problem) as problem:
        server.call("POST", "/catalog/schema/migrate", json={**body, "source": "erp"}, headers=key)
    assert problem.value.status == 422
    with pytest.raises(Problem) as problem:
        server.call("POST", "/catalog/schema/migrate", json=body)
    assert problem.value.status == 409, "the schema is another one now"

    after = server.call("GET", "/datasets/evolve.orders")
    assert after["schema_fingerprint"] == done["schema_fingerprint"]
    ids = {column["name"]: column["id"] for column in before["columns"]}
    assert {column["name"]: column["id"] for column in after["columns"]}["customer_number"] == ids["cust_no"]
    # The new file's rows and those of an old one that comes late land in the same columns.
    server.ingest(orders(NEW_HEADER, 20), "evolve.orders", name="shop_2024-02-02.csv")
    late = server.ingest(orders(HEADER, 100), "evolve.orders", name="shop_2024-02-03.csv")
    assert not [warning for warning in late["warnings"] if "two names" in warning]
    assert server.rows("SELECT count(*), count(customer_number), count(amount), min(order_date) FROM evolve.orders") == [
        [120, 120, 120, "2024-02-01"]]
    # A source of its own is not meant, and is told so.
    other = server.ingest(orders(HEADER, 200), "evolve.orders", name="erp.csv")
    assert any("cust_no is new and customer_number is missing" in warning for warning in other["warnings"])


def test_fingerprints_tell_equal_shapes(server):
    first = server.ingest("Order ID,Amount\n1,2.5\n", "shapes.a", name="a.csv")
    assert first["file_fingerprint"] == first["schema_fingerprint"]
    second = server.ingest("amount,order_id\n3.5,2\n", "shapes.b", name="b.csv")
    assert second["schema_fingerprint"] == first["schema_fingerprint"]
    third = server.ingest("amount,order_id\n3.5,x\n", "shapes.c", name="c.csv")
    assert third["schema_fingerprint"] != first["schema_fingerprint"]
    assert diff(server, "shapes.a", sample="Order ID,Amount\n7,8.5\n")["same_shape"]


def test_columns_rows_and_packed_files_can_be_compared(server):
    server.ingest(orders(HEADER, 1), "compare.orders", name="x.csv")
    by_columns = diff(server, "compare.orders", columns=[
        {"name": "id", "type": "BIGINT"}, {"name": "customer_no", "type": "VARCHAR", "values": ["C-10001", None]},
        {"name": "ord_dt", "type": "DATE"}, {"name": "amt", "type": "DOUBLE"}, {"name": "note", "type": "VARCHAR"}])
    assert [(one["from"], one["to"]) for one in by_columns["renamed"]] == [("cust_no", "customer_no")]
    rows = [{"id": i, "cust_no": f"C-{i}", "ord_dt": "2024-01-01", "amt": "many", "note": "n"} for i in range(30)]
    by_rows = diff(server, "compare.orders", sample=rows)
    assert [(one["to"], one["change"]) for one in by_rows["retyped"]] == [("amt", "casts")]
    assert not by_rows["rules"][0]["recommended"], "text that is no number"
    packed = base64.b64encode(gzip.compress(orders(HEADER, 50).encode())).decode()
    assert diff(server, "compare.orders", sample_base64=packed, file_name="y.csv.gz")["same_shape"]


def test_splits_and_what_is_unclear(server):
    names = [f"{first} {last}" for first in ("Ann", "Bob", "Cleo", "Dan", "Eve") for last in ("Smith", "Jones", "Kim", "Roe")]
    server.ingest("id,full_name,f02\n" + "".join(f"{i},{name},RX-{i + 100}\n" for i, name in enumerate(names)), "split.people")
    found = diff(server, "split.people", sample="id,first_name,last_name,alpha,beta\n" + "".join(
        f"{i},{name.replace(' ', ',')},RX-{i + 100},RX-{i + 100}\n" for i, name in enumerate(names)))
    assert [(one["whole"], one["parts"], one["merged"]) for one in found["splits"]] == [
        ("full_name", ["first_name", "last_name"], False)]
    assert found["renamed"] == [] and found["unclear"]
    assert "f02" in found["prompt"] and "RX-1" not in found["prompt"], "values stay here"


def test_changes_since_a_snapshot_are_known_by_field_ids(server):
    snapshot = server.ingest("id,start_date\n1,2024-01-01\n", "since.t")["snapshot_id"]
    server.sql("ALTER TABLE since.t RENAME COLUMN start_date TO end_date")
    server.sql("ALTER TABLE since.t ADD COLUMN n BIGINT")
    found = diff(server, "since.t", snapshot_id=snapshot)
    assert [(one["from"], one["to"], one["confidence"]) for one in found["renamed"]] == [("start_date", "end_date", 1)]
    assert found["added"] == ["n"] and found["rules"] == []


def test_what_is_remembered_can_be_listed_and_forgotten(server):
    server.ingest(orders(HEADER, 1), "kept.orders", name="feed.csv")
    server.call("POST", "/catalog/schema/migrate", json={"dataset": "kept.orders", "source": "feed", "rules": [
        {"kind": "rename", "column": "cust_no", "to": "Client", "only_in_files": True},
        {"kind": "default", "column": "note", "value": "none"}]})
    assert "cust_no" in [column["name"] for column in server.call("GET", "/datasets/kept.orders")["columns"]]
    server.ingest("id,Client,ord_dt,amt\n900,C-9,2024-01-01,1.5\n", "kept.orders", name="feed_2.csv")
    assert server.rows("SELECT cust_no, note FROM kept.orders WHERE id = 900") == [["C-9", "none"]]
    first = server.call("GET", "/catalog/schema/rules?dataset=kept.orders&limit=2")
    rest = server.call("GET", f"/catalog/schema/rules?dataset=kept.orders&page_token={first['next_page_token']}")
    assert [(rule["kind"], rule["header"]) for rule in first["rules"] + rest["rules"]] == [
        ("default", "note"), ("rename", "client"), ("rename", "cust_no")]
    assert server.request("DELETE", "/catalog/schema/rules?dataset=kept.none").status_code == 204
    for _ in range(2):
        assert server.request("DELETE", "/catalog/schema/rules?dataset=kept.orders&source=feed").status_code == 204
    assert server.call("GET", "/catalog/schema/rules?dataset=kept.orders")["rules"] == []


@pytest.mark.parametrize("body, status", [
    ({"dataset": "wrong.t"}, 400),
    ({"dataset": "wrong.t", "columns": [], "snapshot_id": 1}, 400),
    ({"dataset": "wrong.t", "columns": []}, 400),
    ({"dataset": "wrong.t", "columns": [{"name": "a", "type": "NO SUCH"}]}, 400),
    ({"dataset": "wrong.t", "sample": ""}, 400),
    ({"dataset": "wrong.t", "sample": "%PDF-1.7"}, 400),
    ({"dataset": "wrong.t", "sample": [1, 2]}, 400),
    ({"dataset": "wrong.t", "sample_base64": "*"}, 400),
    ({"dataset": "wrong.t", "snapshot_id": 7}, 404),
    ({"dataset": "wrong.none", "snapshot_id": 7}, 404),
    ({"dataset": "wrong.t", "snapshotid": 7}, 400),
])
def test_what_makes_no_sense_is_refused(server, body, status):
    if server.request("HEAD", "/datasets/wrong.t").status_code == 404:
        server.ingest("id\n1\n", "wrong.t")
    with pytest.raises(Problem) as problem:
        server.call("POST", "/catalog/schema/diff", json=body)
    assert problem.value.status == status, problem.value.document


def test_the_command_line_shows_and_applies(server, tmp_path):
    def run(*arguments):
        return subprocess.run([BINARY, "datasets", *arguments, "--server", server.url], text=True, capture_output=True,
                              timeout=60, check=False)

    server.ingest(orders(HEADER, 1), "by_hand.orders", name="till_1.csv")
    file = tmp_path / "till_2.csv"
    file.write_text(orders(NEW_HEADER, 20))
    shown = run("diff", "by_hand.orders", str(file))
    assert shown.returncode == 0, shown.stderr
    assert "~ cust_no -> customer_number" in shown.stdout and "RENAME COLUMN" in shown.stdout
    assert run("migrate", "by_hand.orders", str(file)).returncode == 2, "nobody is there to confirm it"
    assert "would apply" in run("migrate", "by_hand.orders", str(file), "--dry-run").stdout
    done = run("migrate", "by_hand.orders", str(file), "--yes", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["changed"], done.stderr
    assert "nothing to be done" in run("migrate", "by_hand.orders", str(file), "--yes").stdout
