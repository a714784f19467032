"""Names that break parsers: each one works at every door - Iceberg REST, SQL, the dataset routes - or at none."""

import pathlib
import urllib.parse

import pytest

from harness import Problem

# What works is kept byte for byte, and each is a name of its own.
GOOD = [
    'a"b', "a'b", "*", "?", "#x", "a&b=c", "a;DROP TABLE x", "a%2Fb", "a%", "%2e%2e", "a/b", "/", "../up", "a..b", "a\\b",
    "a b", " lead", "trail ", "_hidden", ".dot", "x.y", "CON", "nul", "-rf", "$HOME", "`id`", "{brace}", "[1]", "null", "select",
    "paypal", "p\u0430ypal",  # The second has a Cyrillic letter.
    "\u00e9", "e\u0301",  # One letter in two forms.
    "\u202egnp", "\u200b", "\u2025", "\U0001f5c3", "\u65e5\u672c\u8a9e", "A", "a", "x" * 255, "\u00fc" * 127,
]
BAD = ["", ".", "..", "x" * 256, "\u00fc" * 128, "a\x00b", "a\nb", "a\x1fb", "\x7f", "a\u0085b"]

SCHEMA = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]}
VERSION = {"version-id": 1, "schema-id": 0, "timestamp-ms": 1, "summary": {}, "default-namespace": ["main"],
           "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "duckdb"}]}


def encoded(text):
    return urllib.parse.quote(text, safe="")


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def shown(name):
    return ascii(name)[:30]


@pytest.fixture(scope="module")
def spaces(server):
    for name in ("tables", "views", "sql"):
        server.call("POST", "/iceberg/v1/namespaces", json={"namespace": [name]})
    return server


@pytest.mark.parametrize("name", GOOD, ids=shown)
def test_a_strange_table_name_works_at_every_door(spaces, name):
    server = spaces
    tables = "/iceberg/v1/namespaces/tables/tables"
    made = server.call("POST", tables, json={"name": name, "schema": SCHEMA})
    folder = made["metadata"]["location"].removeprefix("file://")
    bucket = pathlib.Path(folder).parts.index("primary")
    # A folder of its own, two below the bucket, whatever the name holds.
    assert pathlib.Path(folder).is_dir() and len(pathlib.Path(folder).parts) == bucket + 3
    assert server.call("GET", f"{tables}/{encoded(name)}")["metadata"]["table-uuid"] == made["metadata"]["table-uuid"]
    assert {"namespace": ["tables"], "name": name} in server.call("GET", tables)["identifiers"]

    server.sql(f'INSERT INTO tables.{quoted(name)} VALUES (7)')
    assert server.value(f"SELECT id FROM tables.{quoted(name)}") == 7
    assert server.call("GET", f"/datasets/by-name/{encoded('tables.' + name)}")["rows"] == 1
    assert server.call("POST", f"/datasets/{encoded('tables.' + name)}/rows", json=[{"id": 8}])["acknowledged"] == 1
    assert server.value(f"SELECT count(*) FROM tables.{quoted(name)}") == 2

    # Made by SQL it is the same name.
    server.sql(f"CREATE TABLE sql.{quoted(name)} AS SELECT 1 AS id")
    assert server.request("HEAD", f"/iceberg/v1/namespaces/sql/tables/{encoded(name)}").status_code == 204
    server.sql(f"DROP TABLE sql.{quoted(name)}")
    assert server.request("HEAD", f"/iceberg/v1/namespaces/sql/tables/{encoded(name)}").status_code == 404


@pytest.mark.parametrize("name", GOOD, ids=shown)
def test_a_strange_view_name_works(spaces, name):
    server = spaces
    views = "/iceberg/v1/namespaces/views/views"
    server.call("POST", views, json={"name": name, "schema": SCHEMA, "view-version": VERSION, "properties": {}})
    assert server.call("GET", f"{views}/{encoded(name)}")["metadata"]["current-version-id"] == 1
    assert {"namespace": ["views"], "name": name} in server.call("GET", views)["identifiers"]
    with pytest.raises(Problem) as taken:
        server.call("POST", "/iceberg/v1/namespaces/views/tables", json={"name": name, "schema": SCHEMA})
    assert taken.value.status == 409


@pytest.mark.parametrize("name", GOOD, ids=shown)
def test_a_strange_namespace_works_at_every_level(spaces, name):
    server = spaces
    for levels in ([name + "1"] if len(name) < 100 else [name], ["nested", name, name]):
        server.call("POST", "/iceberg/v1/namespaces", json={"namespace": levels, "properties": {"k": name}})
        path = "/iceberg/v1/namespaces/" + encoded("\x1f".join(levels))
        assert server.call("GET", path)["properties"]["k"] == name
        server.call("POST", path + "/tables", json={"name": "t", "schema": SCHEMA})
        assert server.call("GET", path + "/tables")["identifiers"] == [{"namespace": levels, "name": "t"}]
        # DuckDB's grammar has three parts at most: the levels of a deep namespace stand in one.
        assert server.value(f"SELECT count(*) FROM {quoted('.'.join(levels))}.t") == 0
        parent = encoded("\x1f".join(levels[:-1]))
        assert levels in server.call("GET", f"/iceberg/v1/namespaces?parent={parent}")["namespaces"]


@pytest.mark.parametrize("name", BAD, ids=shown)
def test_a_bad_name_is_refused_at_every_door(spaces, name):
    server = spaces
    attempts = {
        "table": ("POST", "/iceberg/v1/namespaces/tables/tables", {"name": name, "schema": SCHEMA}),
        "view": ("POST", "/iceberg/v1/namespaces/views/views",
                 {"name": name, "schema": SCHEMA, "view-version": VERSION, "properties": {}}),
        "namespace": ("POST", "/iceberg/v1/namespaces", {"namespace": ["nested", name]}),
        "rename": ("POST", "/iceberg/v1/tables/rename", {"source": {"namespace": ["tables"], "name": "t"},
                                                         "destination": {"namespace": ["tables"], "name": name}}),
        "sql": ("POST", "/query/sql", {"sql": f"CREATE TABLE sql.{quoted(name)} AS SELECT 1 AS id"}),
        "rows": ("POST", f"/datasets/{encoded('tables.' + name)}/rows", [{"id": 1}]),
    }
    for door, (method, path, body) in attempts.items():
        response = server.request(method, path, json=body)
        assert response.status_code in (400, 404), (door, response.status_code, response.text)
    if name:
        got = server.request("GET", f"/iceberg/v1/namespaces/tables/tables/{encoded(name)}")
        assert got.status_code in (400, 404), got.text
    with pytest.raises(Problem) as refused:
        server.ingest("id\n1\n", "tables." + name)
    assert refused.value.status == 400


def test_lists_hold_every_name_once_in_pages(spaces):
    server = spaces
    names, token = [], ""
    while True:
        page = server.call("GET", f"/iceberg/v1/namespaces/tables/tables?pageSize=7&pageToken={token}")
        names += [each["name"] for each in page["identifiers"]]
        token = page.get("next-page-token")
        if not token:
            break
    assert sorted(names) == sorted(GOOD)
