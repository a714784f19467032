"""The same statements over the same rows: DuckDB's own tables beside the server's, whose statements are rewritten."""

import datetime
import decimal
import random
import re

import duckdb
import pyarrow as pa
import pytest

TABLES = [
    "CREATE TABLE {s}customers AS SELECT i AS id, 'name ' || i AS name, ['red','green','blue'][1 + i % 3] AS colour, "
    "CASE WHEN i % 11 = 0 THEN NULL ELSE (i * 37 % 1000) / 10.0 END AS balance, DATE '2020-01-01' + (i % 700)::INT AS since, "
    "{{'city': 'c' || i % 7, 'zip': i % 100}} AS address, [i % 5, i % 3] AS marks FROM range(300) t(i)",
    "CREATE TABLE {s}orders AS SELECT i AS id, i * 7 % 310 AS customer, (i * 13 % 500)::DECIMAL(9,2) AS total, "
    "TIMESTAMP '2021-01-01' + INTERVAL (i * 17) MINUTE AS moment, ['open','paid','void'][1 + i % 3] AS state FROM range(2000) t(i)",
    "CREATE TABLE {s}lines AS SELECT i // 3 AS \"order\", i % 3 AS nr, 'p' || i % 40 AS product, i % 9 AS quantity, "
    "(i % 50) * 0.5 AS price, CASE WHEN i % 5 = 0 THEN NULL ELSE MAP {{'k': i % 4}} END AS extra FROM range(6000) t(i)",
    "CREATE TABLE {s}numbers AS SELECT i AS n, i % 10 AS d FROM range(100) t(i)",
]
MORE = [
    "INSERT INTO {s}orders SELECT 2000 + i, i % 300, i, TIMESTAMP '2022-01-01' + INTERVAL (i) HOUR, 'new' FROM range(500) t(i)",
    "INSERT INTO {s}customers (id, name) VALUES (1000, 'Zoë O''Hara'), (1001, NULL)",
    "ALTER TABLE {s}lines RENAME COLUMN product TO item",
    "ALTER TABLE {s}lines ADD COLUMN note VARCHAR",
    "INSERT INTO {s}lines BY NAME SELECT 2000 + i AS \"order\", 0 AS nr, 'new' AS item, 'late' AS note FROM range(50) t(i)",
    "ALTER TABLE {s}numbers ALTER d TYPE BIGINT",
    "INSERT INTO {s}numbers VALUES (100, 5000000000)",
]
QUERIES = """
SELECT * FROM customers
SELECT id, name FROM customers WHERE colour = 'red' AND balance > 50 ORDER BY id
SELECT colour, count(*), sum(balance), avg(balance), min(since), max(since) FROM customers GROUP BY colour
SELECT c.name, sum(o.total) AS t FROM customers c JOIN orders o ON o.customer = c.id GROUP BY ALL HAVING t > 100 ORDER BY t DESC, 1 LIMIT 20
SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer = c.id AND o.state = 'void'
SELECT o.id FROM customers c RIGHT JOIN orders o ON o.customer = c.id WHERE c.id IS NULL
SELECT count(*) FROM customers FULL JOIN orders ON customers.id = orders.customer
SELECT * FROM customers SEMI JOIN orders ON orders.customer = customers.id
SELECT customers.id FROM customers ANTI JOIN orders ON orders.customer = customers.id
SELECT n, id FROM numbers ASOF JOIN orders ON numbers.n >= orders.id
SELECT a.n, b.n FROM numbers a, numbers b WHERE a.n + b.n = 20
SELECT * FROM numbers NATURAL JOIN (SELECT n, n * 2 AS m FROM numbers)
SELECT id FROM customers UNION SELECT customer FROM orders
SELECT id FROM customers INTERSECT SELECT customer FROM orders
SELECT customer FROM orders EXCEPT ALL SELECT id FROM customers
SELECT 1 AS a, 2 AS b UNION ALL BY NAME SELECT n AS b, 0 AS a FROM numbers
WITH paid AS (SELECT * FROM orders WHERE state = 'paid'), top AS (SELECT customer, sum(total) t FROM paid GROUP BY 1) SELECT name, t FROM top JOIN customers ON id = customer
WITH orders AS (SELECT id, customer FROM orders WHERE id < 10) SELECT * FROM orders
WITH RECURSIVE up(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up WHERE n < 20) SELECT up.n, d FROM up JOIN numbers USING (n)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n * 2 FROM numbers WHERE n < 1000) SELECT * FROM numbers
WITH m AS MATERIALIZED (SELECT d, count(*) c FROM numbers GROUP BY d) SELECT a.d, b.c FROM m a JOIN m b USING (d)
SELECT name FROM customers WHERE id IN (SELECT customer FROM orders WHERE total > 480)
SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id AND o.total > 490)
SELECT name, (SELECT count(*) FROM orders o WHERE o.customer = c.id) AS n FROM customers c
SELECT id FROM orders WHERE total > ALL (SELECT price FROM lines)
SELECT id, total FROM orders WHERE total = (SELECT max(total) FROM orders)
SELECT c.id, x.t FROM customers c, LATERAL (SELECT sum(total) AS t FROM orders o WHERE o.customer = c.id) x
SELECT id, row_number() OVER (PARTITION BY customer ORDER BY moment, id) r, lag(total) OVER w FROM orders WINDOW w AS (PARTITION BY customer ORDER BY moment, id)
SELECT customer, id FROM orders QUALIFY row_number() OVER (PARTITION BY customer ORDER BY total DESC, id) = 1
SELECT id, sum(total) OVER (ORDER BY moment, id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM orders
SELECT colour, since > DATE '2020-06-01' AS late, count(*) FROM customers GROUP BY GROUPING SETS ((1), (2), (1, 2), ())
SELECT colour, grouping(colour), count(*) FROM customers GROUP BY ROLLUP (colour)
SELECT state, date_trunc('month', moment) AS m, count(*) FROM orders GROUP BY CUBE (state, m)
SELECT DISTINCT ON (customer) customer, id FROM orders ORDER BY customer, id DESC
SELECT DISTINCT state FROM orders
SELECT * EXCLUDE (address, marks) REPLACE (upper(name) AS name) FROM customers
SELECT COLUMNS('.*e$') FROM customers
SELECT COLUMNS(c -> c LIKE 'b%') FROM customers
SELECT * RENAME (id AS key) FROM numbers, (SELECT 1 AS id)
SELECT min(COLUMNS(*)) FROM numbers
FROM orders SELECT state, count(*) GROUP BY state
FROM numbers
SELECT address.city, count(*) FROM customers GROUP BY 1
SELECT customers.address.zip, address['city'] FROM customers
SELECT id, unnest(marks) FROM customers
SELECT id, m FROM customers, unnest(marks) AS u(m)
SELECT list_transform(marks, lambda x: x * 2), list_filter(marks, lambda x: x > 1), [y + 1 FOR y IN marks IF y > 0] FROM customers
SELECT extra['k'], map_keys(extra) FROM lines
SELECT item, string_agg(nr, ',' ORDER BY nr, "order") FROM lines GROUP BY item
SELECT item, sum(quantity * price) FILTER (WHERE nr = 1), count(DISTINCT "order") FROM lines GROUP BY item
SELECT note, count(*), count(quantity) FROM lines GROUP BY note
SELECT * FROM (SELECT state, total, extract(year FROM moment) AS y FROM orders) PIVOT (sum(total) FOR state IN ('open', 'paid', 'void') GROUP BY y)
FROM (PIVOT (SELECT state, customer % 3 AS g, total FROM orders) ON state IN ('open', 'paid') USING sum(total), count(*) GROUP BY g)
SELECT * FROM (SELECT id, colour, name FROM customers) UNPIVOT (v FOR k IN (colour, name))
SELECT CASE state WHEN 'open' THEN 1 WHEN 'paid' THEN 2 ELSE 0 END, count(*) FROM orders GROUP BY 1
SELECT id FROM orders WHERE moment BETWEEN TIMESTAMP '2021-01-05' AND TIMESTAMP '2021-01-06'
SELECT id FROM orders WHERE NOT (total < 100 OR total > 120) AND state NOT IN ('void')
SELECT name FROM customers WHERE name LIKE '%9' OR name ILIKE 'NAME 1_' OR name SIMILAR TO 'name 2[0-3]'
SELECT count(*) FROM customers WHERE balance IS DISTINCT FROM 3.7 AND balance IS NOT NULL
SELECT coalesce(balance, -1), nullif(colour, 'red'), ifnull(name, '?'), greatest(id, 5) FROM customers
SELECT strftime(since, '%Y-%m'), dayname(since), since + INTERVAL 1 MONTH, age(DATE '2024-01-01', since) FROM customers
SELECT try_cast(name AS INTEGER), TRY(1 // (id - 5)), id::VARCHAR || '!' FROM customers
SELECT quantile_cont(total, [0.25, 0.5]), median(total), mode(state), stddev(total) FROM orders
SELECT approx_count_distinct(customer) > 0, arg_max(id, total * 10000 + id), bool_or(total > 400), histogram(state) FROM orders
SELECT o.id, l.item FROM orders o JOIN lines l ON l."order" = o.id AND l.nr = o.id % 3 WHERE o.id BETWEEN 10 AND 30
SELECT a.id FROM orders a JOIN orders b ON a.customer = b.customer AND a.id < b.id WHERE a.id < 50 AND b.id < 400
SELECT (SELECT max(n) FROM numbers), (SELECT min(id) FROM orders), [n FOR n IN [1, 2]]
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v(x, y) JOIN numbers ON n = x
SELECT x.n FROM numbers AS x(n, e) WHERE e = 3
SELECT numbers FROM numbers WHERE n < 3
SELECT n, d FROM numbers ORDER BY ALL DESC NULLS LAST LIMIT 7 OFFSET 2
SELECT n FROM numbers ORDER BY n LIMIT 10%
SELECT n::HUGEINT * 1000000000000000000000, d FROM numbers WHERE d > 8
SELECT count(*) FROM range(10) r(i), generate_series(1, 3) g(j), numbers WHERE i = n
SELECT t.n, count(*) OVER () FROM (SELECT n FROM numbers WHERE d = 1) t
SELECT name.upper().reverse() FROM customers WHERE id < 4
SELECT id, moment AT TIME ZONE 'UTC' FROM orders WHERE id < 5
SELECT id::INTEGER % 7, count(*) FROM orders GROUP BY id::INTEGER % 7 HAVING count(*) > 0 ORDER BY id::INTEGER % 7
SELECT * FROM (SELECT (SELECT max(n) FROM numbers), 1::VARCHAR, total::INT FROM orders LIMIT 1)
SELECT list_transform([1], lambda x: x::VARCHAR || '!'), unnest([1, 2])::VARCHAR, CAST(n AS DECIMAL(9, 2)) FROM numbers WHERE n = 3
SELECT column_name, column_type FROM (DESCRIBE customers)
SELECT column_name, min, max, count, null_percentage FROM (SUMMARIZE numbers)
""".strip().splitlines()


@pytest.fixture(scope="module")
def local():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for sql in TABLES + MORE:
        connection.execute(sql.format(s=""))
    return connection


@pytest.fixture(scope="module")
def served(server):
    for sql in TABLES + MORE:
        server.sql(sql.format(s=""))
    return server


def plain(value):
    """Values that compare equal when they mean the same, whichever width carries them."""
    if isinstance(value, dict):
        return ("struct", tuple((key, plain(inner)) for key, inner in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(plain(inner) for inner in value)
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, decimal.Decimal):
        return f"{float(value):.9g}"
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int):
        return f"{float(value):.9g}"
    if isinstance(value, (datetime.date, datetime.datetime)):
        return str(value)
    return repr(value)


def names(table):
    """Unaliased columns are called by their text, in which DuckDB's tree forgets how lambdas and types were spelled."""
    text = [re.sub(r"lambda (\w+):", r"\1 ->", name) for name in table.column_names]
    return [re.sub(r'[" ]', "", name) for name in text]


def rows(table):
    return sorted(repr([plain(value) for value in row.values()]) for row in table.to_pylist())


def answers(local, served, sql):
    response = served.request("POST", "/query/sql", json={"sql": sql},
                              headers={"Accept": "application/vnd.apache.arrow.stream"})
    assert response.status_code == 200, response.text
    return local.execute(sql).to_arrow_table(), pa.ipc.open_stream(response.content).read_all()


@pytest.mark.parametrize("sql", QUERIES)
def test_a_rewritten_statement_answers_as_the_plain_one(local, served, sql):
    expected, actual = answers(local, served, sql)
    assert names(actual) == names(expected)
    assert rows(actual) == rows(expected)


def test_random_statements_answer_as_the_plain_ones(local, served):
    """Statements put together from parts: filters, joins, subqueries, groupings, CTEs that shadow tables."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    columns = {"customers": ["id", "name", "colour", "balance", "since"], "orders": ["id", "customer", "total", "moment", "state"],
               "lines": ["\"order\"", "nr", "item", "quantity", "price"], "numbers": ["n", "d"]}
    numeric = {"customers": ["id", "balance"], "orders": ["id", "customer", "total"],
               "lines": ["\"order\"", "nr", "quantity", "price"], "numbers": ["n", "d"]}

    def condition(alias, table, depth):
        column = f"{alias}.{dice.choice(numeric[table])}"
        kind = dice.randrange(7)
        if kind == 0 and depth:
            inner = dice.choice(list(columns))
            return f"{column} {dice.choice(['IN', 'NOT IN'])} (SELECT {dice.choice(numeric[inner])} FROM {inner} q WHERE {condition('q', inner, depth - 1)})"
        if kind == 1 and depth:
            inner = dice.choice(list(columns))
            return f"EXISTS (SELECT 1 FROM {inner} q WHERE q.{dice.choice(numeric[inner])} = {column})"
        if kind == 2:
            return f"{column} IS {dice.choice(['', 'NOT '])}NULL"
        if kind == 3:
            return f"({condition(alias, table, 0)} OR NOT ({condition(alias, table, 0)}))"
        if kind == 4:
            low = dice.randrange(400)
            return f"{column} BETWEEN {low} AND {low + dice.randrange(100)}"
        return f"{column} {dice.choice(['=', '<', '>', '<=', '>=', '<>'])} {dice.randrange(400)}"

    def statement():
        a, b = dice.choice(list(columns)), dice.choice(list(columns))
        prefix = dice.choice(["", "", f"WITH {b} AS (SELECT * FROM {b} z WHERE {condition('z', b, 1)}) "])
        how = dice.randrange(3)
        if how == 0:
            return f"{prefix}SELECT {', '.join('x.' + c for c in columns[a])} FROM {a} x WHERE {condition('x', a, 2)} AND {condition('x', a, 1)}"
        if how == 1:
            key = dice.choice(columns[a])
            return f"{prefix}SELECT x.{key}, count(*), sum(x.{dice.choice(numeric[a])}) FROM {a} x WHERE {condition('x', a, 1)} GROUP BY 1"
        join = dice.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        return (f"{prefix}SELECT count(*), count(x.{columns[a][0]}), sum(y.{dice.choice(numeric[b])}) FROM {a} x {join} {b} y "
                f"ON x.{dice.choice(numeric[a])} = y.{dice.choice(numeric[b])} WHERE {condition('x', a, 1)} OR {condition('y', b, 0)}")

    for _ in range(150):
        sql = statement()
        expected, actual = answers(local, served, sql)
        assert rows(actual) == rows(expected), sql
