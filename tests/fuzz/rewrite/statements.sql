-- What the rewriter's fuzzer starts from: one statement a line, over the tables of tables.cc.
-- After DuckDB's grammar, clause by clause. An answer hangs neither on chance nor on the order of rows.

-- SELECT, FROM, WHERE
SELECT * FROM people
SELECT id, name, city FROM people WHERE city = 'Bonn' AND pay > 7702000
SELECT p.* FROM people p WHERE p.boss IS NULL
SELECT people.id, main.people.name FROM main.people WHERE main.people.id < 9
SELECT p.id AS key, upper(p.name) AS "Loud Name" FROM people AS p(id, name) WHERE key < 30
FROM people
FROM orders SELECT state, count(*) GROUP BY state
SELECT people FROM people WHERE id < 4
SELECT o FROM orders o WHERE o.total > 480
SELECT DISTINCT city, length(name) FROM people
SELECT DISTINCT ON (city) city, id FROM people ORDER BY city, id
SELECT ALL state FROM orders
SELECT 1, 'a', NULL, true, 1.5, DATE '2020-01-01', INTERVAL 3 DAY, [1, 2], {'a': 1}, MAP {'k': 1}
SELECT * FROM empty
SELECT count(*), max(word) FROM empty
SELECT id FROM people WHERE (id, city) IN (SELECT person, 'Bonn' FROM orders)
SELECT id FROM people WHERE name BETWEEN 'Q3' AND 'Q9' AND NOT (pay < 7703000 OR pay IS NULL)
SELECT id, CASE city WHEN 'Bonn' THEN 1 WHEN 'Ulm' THEN 2 ELSE 0 END AS c, CASE WHEN pay > 7705000 THEN name END FROM people
SELECT id FROM people WHERE name LIKE 'Q1%' OR email ILIKE '%A@X.ORG' OR city SIMILAR TO '(B|U).*' OR name GLOB 'Qf*'
SELECT id FROM people WHERE pay IS DISTINCT FROM NULL AND boss IS NOT DISTINCT FROM 3
SELECT id, pay::VARCHAR || '!' AS t, CAST(born AS TIMESTAMP), try_cast(name AS INTEGER) FROM people
SELECT id, -pay, +id, id ** 2, id // 3, id % 7, id & 3, id | 8, id << 2, ~id FROM people WHERE id < 12
SELECT coalesce(boss, -1), nullif(city, 'Ulm'), ifnull(pay, 0), greatest(id, 5), least(id, 9) FROM people
SELECT id, address.street, address['zip'], people.address.zip, struct_extract(address, 'street') FROM people
SELECT id, tags[1], tags[-1], tags[1:2], len(tags), tags || ['x'] FROM people
SELECT id, items[1].sku, list_transform(items, lambda i: i.n + 1) FROM orders WHERE id < 20
SELECT list_filter(tags, lambda t: t <> 't0'), list_reduce([1, 2, id], lambda a, b: a + b), [x || city FOR x IN tags IF x = 't1'] FROM people
SELECT name.upper().reverse(), city.length() FROM people WHERE id < 6
SELECT extract(year FROM born), date_part('month', born), born + INTERVAL 1 MONTH, strftime(born, '%d.%m.%Y'), dayname(born) FROM people
SELECT moment AT TIME ZONE 'UTC' FROM orders WHERE id < 5
SELECT id, name COLLATE NOCASE = upper(name) FROM people WHERE id < 9
SELECT id, to_json(address), json_extract_string(to_json(tags), '$[0]') FROM people
SELECT format('{} of {}', name, city), printf('%d', id), concat_ws(',', name, email) FROM people
SELECT md5(name), sha256(email), hash(id) % 2 >= 0, base64(name::BLOB) FROM people
SELECT typeof(pay), typeof(address), typeof(tags) FROM people WHERE id = 1

-- Stars
SELECT * EXCLUDE (address, tags) FROM people
SELECT * REPLACE (upper(name) AS name, 0 AS pay) FROM people
SELECT * EXCLUDE (tags) REPLACE (left(email, 3) AS email) RENAME (id AS key) FROM people
SELECT p.* EXCLUDE (pay), o.* EXCLUDE (items) FROM people p JOIN orders o ON o.person = p.id WHERE o.id < 30
SELECT COLUMNS('^[a-d]') FROM people
SELECT COLUMNS(c -> c LIKE '%a%') FROM people
SELECT COLUMNS(* EXCLUDE (address, tags))::VARCHAR FROM people
SELECT max(COLUMNS(* EXCLUDE (address))) FROM people
SELECT COLUMNS(['id', 'name']) FROM people
SELECT * FROM people WHERE COLUMNS(['pay', 'boss']) > 10
SELECT struct_pack(*COLUMNS(['id', 'pay'])) FROM people
SELECT coalesce(*COLUMNS(['boss', 'pay'])) FROM people
SELECT * LIKE 'n%' FROM numbers
SELECT a.*, b.* FROM numbers a JOIN numbers b USING (n)
SELECT unnest(address) FROM people
SELECT unnest({'a': id, 'b': {'c': name}}, recursive := true) FROM people WHERE id < 5

-- Joins
SELECT p.name, o.total FROM people p JOIN orders o ON o.person = p.id AND o.state = 'paid'
SELECT p.id, o.id FROM people p LEFT JOIN orders o ON o.person = p.id AND o.total > 400
SELECT o.id FROM people p RIGHT JOIN orders o ON o.person = p.id WHERE p.id IS NULL
SELECT count(*), count(p.id), count(o.id) FROM people p FULL OUTER JOIN orders o ON o.person = p.id
SELECT a.n, b.n FROM numbers a CROSS JOIN numbers b WHERE a.n + b.n = 11
SELECT a.n, b.d FROM numbers a, numbers b WHERE a.n = b.d
SELECT n, d, m FROM numbers NATURAL JOIN (SELECT n, n * 2 AS m FROM numbers)
SELECT * FROM numbers JOIN (SELECT id AS n, name FROM people) q USING (n)
SELECT name FROM people SEMI JOIN orders ON orders.person = people.id AND orders.state = 'void'
SELECT name FROM people ANTI JOIN orders ON orders.person = people.id
SELECT p.id, e.n FROM people p ASOF JOIN (SELECT DISTINCT n FROM events) e ON p.id >= e.n
SELECT p.id, e.n FROM people p ASOF LEFT JOIN (SELECT DISTINCT n FROM events WHERE n < 10) e ON p.id > e.n
SELECT p.name, o.note, e.kind FROM people p JOIN orders o ON o.person = p.id LEFT JOIN events e ON e.person = p.id AND e.seen WHERE p.id < 25
SELECT a.id, b.id, c.id FROM people a JOIN people b ON b.boss = a.id JOIN people c ON c.boss = b.id
SELECT main.people.id, x.people.id FROM main.people, (SELECT people FROM people) x WHERE x.people.id = main.people.id
SELECT p.id, x.t FROM people p, LATERAL (SELECT sum(total) AS t FROM orders o WHERE o.person = p.id) x
SELECT p.id, x.note FROM people p LEFT JOIN LATERAL (SELECT max(note) AS note FROM orders o WHERE o.person = p.id) x ON true
SELECT p.id, t.tag FROM people p, unnest(p.tags) AS t(tag)
SELECT id, unnest(tags) AS tag FROM people
SELECT r.i, p.name FROM range(5) r(i) LEFT JOIN people p ON p.id = r.i
SELECT * FROM generate_series(1, 3) g(k) JOIN numbers ON n = k
SELECT * FROM (VALUES (1, 'Bonn'), (2, 'Ulm')) v(a, city) JOIN people USING (city)
SELECT * FROM people p JOIN (people q JOIN orders o ON o.person = q.id) ON q.boss = p.id WHERE o.id < 40
SELECT count(*) FROM people p JOIN orders o ON p.id = o.person AND (p.city = 'Bonn' OR o.total < 100) WHERE p.pay > 7701000 OR o.note IS NULL

-- Grouping
SELECT city, count(*), sum(pay), avg(pay), min(name), max(email) FROM people GROUP BY city
SELECT city, boss, count(*) FROM people GROUP BY ALL
SELECT city, count(*) c FROM people GROUP BY 1 HAVING c > 3
SELECT city, count(*) FILTER (WHERE pay > 7705000), count(DISTINCT boss) FROM people GROUP BY city
SELECT state, person % 3 AS g, sum(total) FROM orders GROUP BY ROLLUP (state, g)
SELECT state, person % 3 AS g, sum(total), grouping(state) FROM orders GROUP BY CUBE (state, g)
SELECT state, note IS NULL, count(*) FROM orders GROUP BY GROUPING SETS ((1), (2), (1, 2), ())
SELECT string_agg(name, ',' ORDER BY name), list(id ORDER BY id DESC), array_agg(DISTINCT city ORDER BY city) FROM people
SELECT arg_max(name, pay), arg_min(name, pay), max(pay), first(name ORDER BY id), last(name ORDER BY id) FROM people
SELECT quantile_cont(pay, [0.25, 0.5]), median(pay), mode(pay % 2), stddev(id), bool_and(id > 0), bit_xor(id), product(1 + id % 2) FROM people
SELECT histogram(city), map_keys(histogram(state)) FROM people, orders WHERE people.id = orders.person
SELECT extract(year FROM born) // 10 AS decade, count(*) FROM people GROUP BY decade HAVING count(*) > (SELECT min(d) FROM numbers)
SELECT count(*) FROM people HAVING count(*) > 1000
SELECT sum(n) OVER () FROM numbers GROUP BY n
SELECT max(name), max(address), max(tags), any_value(1) FROM people
SELECT kind, sum(score) FILTER (seen), count(late), max(n) FROM events GROUP BY kind
SELECT approx_count_distinct(1), corr(id, id), regr_slope(id, id) FROM people
SELECT date_trunc('month', moment) AS m, sum(total) FROM orders GROUP BY m

-- Windows
SELECT id, row_number() OVER (PARTITION BY city ORDER BY id), rank() OVER (ORDER BY pay, id) FROM people
SELECT id, lag(name) OVER w, lead(pay, 2, 0) OVER w, first_value(id) OVER w FROM people WINDOW w AS (PARTITION BY city ORDER BY id)
SELECT id, sum(total) OVER (PARTITION BY person ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM orders
SELECT id, sum(id) OVER (ORDER BY id RANGE BETWEEN 3 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM people
SELECT id, count(*) FILTER (WHERE pay > 7704000) OVER (PARTITION BY boss) FROM people
SELECT city, id FROM people QUALIFY row_number() OVER (PARTITION BY city ORDER BY id DESC) <= 2
SELECT id, ntile(4) OVER (ORDER BY id), cume_dist() OVER (ORDER BY id), percent_rank() OVER (ORDER BY id) FROM people
SELECT id, max(name) OVER (ORDER BY id GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM people
SELECT person, last_value(note IGNORE NULLS) OVER (PARTITION BY person ORDER BY id) FROM orders
SELECT id, nth_value(name, 2) OVER (PARTITION BY city ORDER BY id) FROM people

-- Subqueries
SELECT name FROM people WHERE id IN (SELECT person FROM orders WHERE total > 450)
SELECT name FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person = p.id AND o.note > 'Q9')
SELECT name FROM people p WHERE NOT EXISTS (FROM orders WHERE person = p.id)
SELECT name, (SELECT count(*) FROM orders o WHERE o.person = p.id) AS n FROM people p
SELECT name, (SELECT max(q.name) FROM people q WHERE q.boss = p.id AND q.pay > p.pay) FROM people p
SELECT id FROM orders WHERE total > ALL (SELECT score FROM events)
SELECT id FROM orders WHERE total = ANY (SELECT n FROM events WHERE n IS NOT NULL)
SELECT id, total FROM orders WHERE total = (SELECT max(total) FROM orders)
SELECT (SELECT max(n) FROM numbers), (SELECT min(id) FROM orders), ARRAY(SELECT n FROM numbers WHERE n < 3 ORDER BY n)
SELECT id FROM people WHERE pay > (SELECT avg(pay) FROM people q WHERE q.city = people.city)
SELECT n FROM numbers WHERE n NOT IN (SELECT boss FROM people WHERE boss IS NOT NULL)
SELECT * FROM (SELECT * FROM (SELECT id, name FROM people WHERE id < 20) a WHERE name > 'Q5') b ORDER BY id LIMIT 5
SELECT x.* FROM (SELECT p.address FROM people p WHERE p.id < 5) x
SELECT sum((SELECT count(*) FROM orders o WHERE o.person = p.id)) FROM people p
SELECT id, (SELECT {'n': count(*), 'm': max(note)} FROM orders WHERE person = people.id) FROM people
SELECT p.id FROM people p WHERE p.id IN (SELECT o.person FROM orders o WHERE o.id IN (SELECT e.n FROM events e WHERE e.person = p.id))

-- Common table expressions
WITH a AS (SELECT id, city FROM people), b AS (SELECT city, count(*) c FROM a GROUP BY city) SELECT a.id, b.c FROM a JOIN b USING (city)
WITH people AS (SELECT 1 AS id, 'Qx' AS name) SELECT * FROM people
WITH people AS (SELECT id, name FROM people WHERE id < 10) SELECT * FROM people
WITH orders AS (SELECT * FROM people) SELECT count(*), (SELECT count(*) FROM main.orders) FROM orders
WITH m AS MATERIALIZED (SELECT city, max(pay) p FROM people GROUP BY city) SELECT a.city, b.p FROM m a JOIN m b USING (city)
WITH m AS NOT MATERIALIZED (SELECT id FROM people) SELECT count(*) FROM m
WITH x(a, b) AS (SELECT id, name FROM people) SELECT a, b FROM x WHERE a < 5
WITH a AS (WITH b AS (SELECT id FROM people) SELECT * FROM b) SELECT count(*) FROM a
SELECT * FROM (WITH numbers AS (SELECT id AS n FROM people WHERE id < 4) SELECT n FROM numbers) q JOIN numbers USING (n)
SELECT id FROM people WHERE id IN (WITH orders AS (SELECT 3 AS person) SELECT person FROM orders)
WITH RECURSIVE up(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up WHERE n < 20) SELECT up.n, d FROM up JOIN numbers USING (n)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n * 2 FROM numbers WHERE n < 100) SELECT * FROM numbers
WITH RECURSIVE chain AS (SELECT id, name, 0 AS depth FROM people WHERE boss IS NULL UNION ALL SELECT p.id, p.name, depth + 1 FROM people p JOIN chain c ON p.boss = c.id) SELECT depth, count(*), max(name) FROM chain GROUP BY depth
WITH RECURSIVE seen(id) AS (SELECT 40 UNION SELECT boss FROM people JOIN seen USING (id) WHERE boss IS NOT NULL) SELECT id FROM seen
WITH RECURSIVE t(k, v) USING KEY (k) AS (SELECT 1, 0 UNION SELECT k, v + 1 FROM t WHERE v < 5) SELECT * FROM t
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a), c AS (SELECT x FROM a UNION ALL SELECT x FROM b) SELECT c.x, name FROM c JOIN people ON people.id = c.x
WITH e AS (FROM events) FROM e SELECT kind, count(*) GROUP BY kind

-- Set operations
SELECT id FROM people UNION SELECT person FROM orders
SELECT id, name FROM people UNION ALL SELECT person, note FROM orders
SELECT id FROM people INTERSECT SELECT person FROM orders
SELECT id FROM people EXCEPT SELECT person FROM orders
SELECT person FROM orders EXCEPT ALL SELECT id FROM people
SELECT person FROM orders INTERSECT ALL SELECT n FROM events
SELECT id, city FROM people UNION ALL BY NAME SELECT 'x' AS city, n AS other FROM numbers
(SELECT id FROM people ORDER BY id LIMIT 3) UNION ALL (SELECT id FROM orders ORDER BY id DESC LIMIT 3)
SELECT * FROM (SELECT name FROM people UNION SELECT note FROM orders UNION SELECT late FROM events) u WHERE name IS NOT NULL
SELECT id FROM people WHERE id IN (SELECT person FROM orders EXCEPT SELECT n FROM numbers)
VALUES (1, 'a'), (2, 'b')
FROM (VALUES (1), (NULL)) v(x) UNION ALL SELECT pay FROM people

-- Order and limits
SELECT id, name FROM people ORDER BY name DESC NULLS LAST, id LIMIT 7 OFFSET 2
SELECT id FROM people ORDER BY ALL LIMIT 5
SELECT id FROM people ORDER BY pay NULLS FIRST, id LIMIT 10
SELECT n FROM numbers ORDER BY n LIMIT 10%
SELECT id FROM people ORDER BY id LIMIT (SELECT max(d) FROM numbers)
SELECT city, id FROM people ORDER BY city COLLATE NOCASE, id DESC LIMIT 4
SELECT name FROM people ORDER BY address.street LIMIT 3
SELECT id FROM people ORDER BY (SELECT count(*) FROM orders WHERE person = people.id) DESC, id LIMIT 6

-- PIVOT and UNPIVOT
SELECT * FROM (SELECT state, total, person % 5 AS g FROM orders) PIVOT (sum(total) FOR state IN ('open', 'paid') GROUP BY g)
FROM (PIVOT (SELECT state, person % 3 AS g, total FROM orders) ON state IN ('open', 'paid') USING sum(total), count(*) GROUP BY g)
SELECT * FROM (PIVOT people ON city IN ('Bonn', 'Ulm') USING max(pay), max(name) GROUP BY boss)
SELECT * FROM (SELECT id, name, email, city FROM people) UNPIVOT (v FOR k IN (name, email, city))
SELECT * FROM (SELECT id, name, city FROM people) UNPIVOT INCLUDE NULLS (v FOR k IN (name, city))
FROM (UNPIVOT (SELECT n, d FROM numbers) ON COLUMNS(*) INTO NAME k VALUE v)
PIVOT (SELECT city, boss, pay FROM people WHERE id < 30) ON city USING sum(pay) GROUP BY boss
PIVOT orders ON state USING count(*), max(note) GROUP BY person
FROM (PIVOT (SELECT kind, n, score FROM events) ON kind USING sum(n), sum(score))
UNPIVOT people ON name, email INTO NAME what VALUE text

-- Views and macros
SELECT * FROM rich
SELECT r.name, o.note FROM rich r JOIN orders o ON o.person = r.id WHERE r.pay < 7709000
SELECT state, count(*), max(note), min(name) FROM bills GROUP BY state
SELECT * FROM richest WHERE city <> 'Ulm'
SELECT a.city, b.name FROM richest a LEFT JOIN rich b ON a.pay = b.pay
WITH people AS (SELECT 1 AS x) SELECT count(*) FROM rich, people
WITH rich AS (SELECT 5 AS id) SELECT * FROM rich JOIN numbers ON n = id
SELECT next_one(id) AS a, next_one(next_one(n)) AS b FROM people, numbers WHERE id = n
SELECT id, pay_of(id) AS most FROM people WHERE pay_of(boss) > 7701000
SELECT pay_of(person) AS most, note FROM orders
SELECT * FROM people_of('Bonn')
SELECT p.name, q.email FROM people_of('Ulm') p JOIN people_of('Ulm') q USING (id)
DESCRIBE rich

-- What DuckDB does not know to fail, asked where it may not be
SELECT name FROM people WHERE id < 30 AND regexp_full_match('Q7', name || '*')
SELECT count(*) FROM people WHERE to_timestamp(pay) IS NOT NULL AND chr((7709000 - pay)::INT) > 'a'
SELECT epoch_ns(born), max(CAST(born AS TIMESTAMP_NS)) FROM people GROUP BY epoch_ns(born)
SELECT len(string_split_regex('a1b', '[' || note)) FROM orders WHERE note IS NOT NULL
SELECT note, bit_count(CAST(note AS BIT)) FROM orders WHERE id > 900
SELECT list_transform([name], lambda x: x::INT) FROM people WHERE id < 0
SELECT chr(id::INT + 64) AS c, list_transform([id], lambda x: x::VARCHAR), hamming(city, city) FROM people WHERE id < 20
SELECT late, max({'p': person, 'l': late}) FROM events GROUP BY CUBE (late)
SELECT kind, late, count(*), any_value({'l': late, 'k': [kind]}) IS NULL FROM events GROUP BY ROLLUP (kind, late)

-- A LIMIT below another, with a subquery between them
SELECT a.x FROM (SELECT id FROM orders WHERE starts_with(note, 'Q') AND person + id > 3 ORDER BY ALL LIMIT 5) a(x) WHERE 'Q7' <= ANY (SELECT late FROM events) ORDER BY 1 LIMIT 7
SELECT name, r FROM (SELECT name, id + boss AS r FROM people WHERE length(email) > id ORDER BY pay, id LIMIT 9 OFFSET 2) a WHERE r < ALL (SELECT n FROM events) ORDER BY ALL LIMIT 4

-- Samples
SELECT count(*) FROM people TABLESAMPLE 100%
SELECT count(*) FROM people USING SAMPLE 100% (bernoulli)
SELECT count(*) FROM (FROM people TABLESAMPLE reservoir(1000 ROWS)) q

-- What describes
DESCRIBE people
DESCRIBE SELECT p.*, o.total FROM people p JOIN orders o ON o.person = p.id
SELECT column_name, column_type FROM (DESCRIBE people)
SELECT column_name, min, max, count, null_percentage FROM (SUMMARIZE people)
SELECT column_name, max FROM (SUMMARIZE SELECT name, pay FROM people WHERE city = 'Bonn')

-- What must stay refused, whatever becomes of it
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM '/etc/passwd'
SELECT * FROM query('SELECT 1')
SELECT * FROM query_table('people')
SELECT getvariable('lh_0_0'), current_setting('threads')
SELECT * FROM duckdb_tables()
SELECT * FROM duckdb_variables()
SELECT content FROM read_text('/proc/self/environ')
SELECT * FROM whole.people
SELECT * FROM parquet_metadata('x')
SELECT getenv('HOME')
SELECT chr(COLUMNS('^pay$')::INT % 60 + 64), COLUMNS('^name$')::BIT IS NULL FROM people WHERE id < 0
SELECT COLUMNS(list_filter(list_filter(*, lambda c: c LIKE '%a%'), lambda c: c LIKE '%a%')) FROM people
SELECT greatest(*COLUMNS('^id$|^boss$')), concat(*COLUMNS('^na')) FROM people
