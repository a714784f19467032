#!/usr/bin/env python3
"""Makes tuning.ndjson and heldout.ndjson: tables before and after their columns changed.

usage: generate.py            writes both files beside this script

One line is one pair of files of a domain: the columns of each with a sample of values, and what is true of them:
which columns were renamed, and which were split or merged. Columns that are only in one of the files and mean something else
are false friends, however much alike their names are.

A spec is a list of columns, separated by "|":
  name:values             in both files
  old>new:values          renamed
  -old:values             only before        +new:values  only after
  whole=>part,part:kind   split              part,part=>whole:kind  merged
`rows` says how many of the first file's rows the second one has, too (0 to 1): exports overlap, daily files do not.

The scoring (src/catalog/rename_evidence.cc) was tuned by looking at tuning.ndjson alone; heldout.ndjson is what is measured.
"""

import datetime
import json
import pathlib
import random
import re

ROWS = 40

FIRST = """James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph Jessica Thomas Sarah
Carlos Priya Wei Fatima Ahmed Yuki Olga Lars Ingrid Mateo Sofia Chen Aisha Kwame Zoe Hugo Emma Noah Liam Mia Ines Pablo""".split()
LAST = """Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Wilson Anderson Thomas Taylor Moore
Jackson Nguyen Kim Patel Singh Mueller Schmidt Rossi Ferrari Novak Kowalski Ivanov Tanaka Sato Okafor Mensah Silva Costa Dubois""".split()
STREETS = "Main St;Oak Ave;Maple Dr;Cedar Ln;Park Blvd;Washington St;Lake Rd;Hill St;2nd Ave;Elm Ct;Sunset Blvd;River Rd".split(";")
CITIES = "Chicago;Denver;Austin;Boston;Seattle;Portland;Phoenix;Atlanta;Dallas;Miami;Columbus;Detroit;Memphis;Omaha;Tulsa;Fresno".split(";")
STATES = "IL CO TX MA WA OR AZ GA FL OH MI TN NE OK CA NY".split()
COMPANIES = """Acme Corp;Globex;Initech;Umbrella Health;Stark Industries;Wayne Enterprises;Hooli;Vandelay Imports;Soylent Foods;Massive Dynamic;
Cyberdyne Systems;Wonka Industries;Pied Piper;Gekko & Co;Tyrell Corp;Oscorp;Duff Brewing;Prestige Worldwide;Bluth Homes;Dunder Mifflin""".replace("\n", "").split(";")
PRODUCTS = """Steel Bolt M8;Office Chair;LED Panel 60x60;USB-C Cable 2m;Copper Pipe 15mm;Paper A4 80g;Safety Gloves L;Cordless Drill;Hex Nut M10;
Desk Lamp;Water Filter;Laptop Sleeve 14;Ethernet Switch 8p;Wall Anchor;Paint White 5l;Extension Cord;Air Freshener;Toner Black;Stapler;Whiteboard""".replace("\n", "").split(";")
WORDS = """delivery late customer asked again please confirm gate code left parcel neighbour invoice wrong checked stock refund issued
call back tomorrow damaged box signed manager approved waiting parts urgent note follow up shipped partial remaining""".split()
DOMAINS = "example.com mail.test corp.example acme.test web.example".split()
COUNTRIES = "US DE FR GB IT ES NL PL SE JP BR IN CA MX".split()
COUNTRY_NAMES = "United States;Germany;France;Italy;Spain;Poland;Sweden;Japan;Brazil;India;Canada;Mexico".split(";")


def day(rng, first, last):
    start = datetime.date(int(first), 1, 1)
    return start + datetime.timedelta(days=rng.randrange((datetime.date(int(last), 12, 31) - start).days))


def pattern(rng, text):
    out = ""
    for c in text:
        out += rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") if c == "A" else str(rng.randrange(10)) if c == "9" else \
            rng.choice("0123456789abcdef") if c == "h" else c
    return out


def phrase(rng, low, high):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(int(low), int(high)))).capitalize()


def moment(rng, first, last):
    return f"{day(rng, first, last)} {rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"


def number(value, digits=2):
    return f"{value:.{digits}f}"


KINDS = {
    "first": ("VARCHAR", lambda r, i: r.choice(FIRST)),
    "last": ("VARCHAR", lambda r, i: r.choice(LAST)),
    "person": ("VARCHAR", lambda r, i: f"{r.choice(FIRST)} {r.choice(LAST)}"),
    "email": ("VARCHAR", lambda r, i: f"{r.choice(FIRST)}.{r.choice(LAST)}@{r.choice(DOMAINS)}".lower()),
    "login": ("VARCHAR", lambda r, i: (r.choice(FIRST)[0] + r.choice(LAST)).lower() + str(r.randrange(100))),
    "phone": ("VARCHAR", lambda r, i: f"+1 {r.randrange(200, 999)}-555-{r.randrange(10000):04}"),
    "street": ("VARCHAR", lambda r, i: f"{r.randrange(1, 9900)} {r.choice(STREETS)}"),
    "city": ("VARCHAR", lambda r, i: r.choice(CITIES)),
    "state": ("VARCHAR", lambda r, i: r.choice(STATES)),
    "zip": ("VARCHAR", lambda r, i: pattern(r, "99999")),
    "company": ("VARCHAR", lambda r, i: r.choice(COMPANIES)),
    "product": ("VARCHAR", lambda r, i: r.choice(PRODUCTS)),
    "country": ("VARCHAR", lambda r, i: r.choice(COUNTRIES)),
    "countryname": ("VARCHAR", lambda r, i: r.choice(COUNTRY_NAMES)),
    "currency": ("VARCHAR", lambda r, i: r.choice(["USD", "EUR", "GBP", "JPY", "CHF"])),
    "uuid": ("VARCHAR", lambda r, i: pattern(r, "hhhhhhhh-hhhh-4hhh-ahhh-hhhhhhhhhhhh")),
    "bool": ("BOOLEAN", lambda r, i: r.choice(["true", "false", "true"])),
    "yn": ("VARCHAR", lambda r, i: r.choice("YN")),
    "ip": ("VARCHAR", lambda r, i: f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}"),
    "url": ("VARCHAR", lambda r, i: f"https://{r.choice(DOMAINS)}/{r.choice(WORDS)}/{r.randrange(9999)}"),
    "lat": ("DOUBLE", lambda r, i: number(r.uniform(25, 49), 5)),
    "lon": ("DOUBLE", lambda r, i: number(-r.uniform(70, 124), 5)),
    "seq": ("BIGINT", lambda r, i, first="1": str(int(first) + i)),
    "int": ("BIGINT", lambda r, i, a, b: str(r.randint(int(a), int(b)))),
    "money": ("DECIMAL(18,2)", lambda r, i, m: number(float(m) * r.lognormvariate(0, 0.7))),
    "norm": ("DOUBLE", lambda r, i, m, s: number(r.gauss(float(m), float(s)))),
    "ratio": ("DOUBLE", lambda r, i: number(r.random(), 4)),
    "exp": ("BIGINT", lambda r, i, m: str(int(r.expovariate(1 / float(m))))),
    "date": ("DATE", lambda r, i, a, b: str(day(r, a, b))),
    "ts": ("TIMESTAMP", lambda r, i, a, b: moment(r, a, b)),
    "cat": ("VARCHAR", lambda r, i, values: r.choice(values.split("/"))),
    "pat": ("VARCHAR", lambda r, i, text: pattern(r, text)),
    "text": ("VARCHAR", lambda r, i, a="4", b="12": phrase(r, a, b)),
    "sparse": ("VARCHAR", lambda r, i, a="4", b="9": phrase(r, a, b) if r.random() < 0.2 else None),
}


def person_parts(rng):
    return [rng.choice(FIRST), rng.choice(LAST)]


def moment_parts(rng):
    return moment(rng, 2022, 2024).split(" ")


# Parts, how the whole is written, and the types of the parts and of the whole.
SPLITS = {
    "name": (person_parts, " ".join, ["VARCHAR"] * 2, "VARCHAR"),
    "lastfirst": (person_parts, lambda p: f"{p[1]}, {p[0]}", ["VARCHAR"] * 2, "VARCHAR"),
    "datetime": (moment_parts, " ".join, ["DATE", "TIME"], "TIMESTAMP"),
    "coord": (lambda r: [number(r.uniform(25, 49), 5), number(-r.uniform(70, 124), 5)], ", ".join,
              ["DOUBLE", "DOUBLE"], "VARCHAR"),
    "address": (lambda r: [f"{r.randrange(1, 999)} {r.choice(STREETS)}", r.choice(CITIES), r.choice(STATES), pattern(r, "99999")],
                lambda p: f"{p[0]}, {p[1]}, {p[2]} {p[3]}", ["VARCHAR"] * 4, "VARCHAR"),
    "citystate": (lambda r: [r.choice(CITIES), r.choice(STATES)], ", ".join, ["VARCHAR"] * 2, "VARCHAR"),
    "price": (lambda r: [number(r.uniform(5, 900)), r.choice(["USD", "EUR", "GBP"])], " ".join,
              ["DECIMAL(18,2)", "VARCHAR"], "VARCHAR"),
    "range": (lambda r: [str(day(r, 2020, 2021)), str(day(r, 2022, 2023))], " - ".join, ["DATE", "DATE"], "VARCHAR"),
    "phone": (lambda r: [str(r.randrange(200, 999)), f"555-{r.randrange(10000):04}"], "-".join, ["VARCHAR"] * 2, "VARCHAR"),
    "size": (lambda r: [str(r.randrange(10, 90)), str(r.randrange(10, 90)), str(r.randrange(5, 60))], "x".join,
             ["BIGINT"] * 3, "VARCHAR"),
    "code": (lambda r: [pattern(r, "AA"), pattern(r, "99999")], "-".join, ["VARCHAR"] * 2, "VARCHAR"),
}


def values_of(kind, domain, rows):
    name, _, rest = kind.partition("(")
    arguments = [a.strip() for a in rest.rstrip(")").split(",")] if rest else []
    type_name, make = KINDS[name]
    return type_name, [make(random.Random(f"{domain}/{kind}/{i}"), i, *arguments) for i in rows]


def split_values(kind, domain, rows):
    make, join, part_types, whole_type = SPLITS[kind]
    parts = [make(random.Random(f"{domain}/{kind}/{i}")) for i in rows]
    columns = [(t, [p[n] for p in parts]) for n, t in enumerate(part_types)]
    return columns, (whole_type, [join(p) for p in parts])


def table_pair(domain, overlap, text):
    rows_before = range(ROWS)
    first = round(ROWS * (1 - overlap))
    rows_after = range(first, first + ROWS)
    before, after, renames, splits, merges = [], [], [], [], []

    def add(side, name, typed):
        side.append({"name": name, "type": typed[0], "values": typed[1]})

    for spec in re.split(r"\s*\|\s*", text.strip()):
        names, _, kind = spec.partition(":")
        seeded = f"{domain}/{names}"
        if "=>" in names:
            left, right = names.split("=>")
            whole, parts = (left, right.split(",")) if "," in right else (right, left.split(","))
            for side, rows in ((before, rows_before), (after, rows_after)):
                columns, joined = split_values(kind, seeded, rows)
                if (side is before) == ("," in right):
                    add(side, whole, joined)
                else:
                    for part, typed in zip(parts, columns, strict=True):
                        add(side, part, typed)
            (splits if "," in right else merges).append({"whole": whole, "parts": parts})
        elif names[0] == "-":
            add(before, names[1:], values_of(kind, seeded, rows_before))
        elif names[0] == "+":
            add(after, names[1:], values_of(kind, seeded, rows_after))
        else:
            old, _, new = names.partition(">")
            add(before, old, values_of(kind, seeded, rows_before))
            add(after, new or old, values_of(kind, seeded, rows_after))
            if new:
                renames.append([old, new])
    return {"domain": domain, "before": before, "after": after, "renames": renames, "splits": splits, "merges": merges}


def write(name, specs):
    folder = pathlib.Path(__file__).parent
    with open(folder / name, "w", encoding="utf-8") as out:
        for line in specs.strip().splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            domain, overlap, text = line.split("|", 2)
            json.dump(table_pair(domain.strip(), float(overlap), text), out, ensure_ascii=False, separators=(",", ":"))
            out.write("\n")


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    for part in ("tuning", "heldout"):
        write(f"{part}.ndjson", (here / f"{part}.specs").read_text(encoding="utf-8"))
