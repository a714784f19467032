#!/usr/bin/env python3
"""Makes the labelled tables beside it, once; they are kept, this says how they came about.

Needs `faker` (made with 40.54.0), which the tests themselves do not. `labels.json` says for each table and column which
kinds of personal data it holds: [] for none, null where reasonable people differ (such a column does not count).
The tables of `held_out` were looked at by nobody while the rules were written.
"""

import csv
import json
import pathlib
import random

from faker import Faker

HERE = pathlib.Path(__file__).resolve().parent
ROWS = 60
PRODUCTS = ["Jordan Air Max 270", "Calvin Klein Slim Jeans", "Tommy Hilfiger Polo", "Stanley Thermos 1.4L", "Dell XPS 13",
            "Apple iPhone 15 Pro", "Ben & Jerry's Cookie Dough", "Dr. Martens 1460", "Lindt Excellence 70%", "Moleskine A5",
            "Samsung Galaxy S24", "Victoria Sponge Mix", "Earl Grey Tea 50 bags", "Henry Hoover HVR160", "Oscar Chair Oak",
            "Billy Bookcase White", "Nike Pegasus 41", "Bosch Drill 18V", "Kindle Paperwhite", "Levi's 501", "Anker 737",
            "Makita DHP484", "Philips Sonicare", "Fender Stratocaster", "Yamaha P-45", "Logitech MX Master 3S", "LEGO 10497"]
BRANDS = ["Calvin Klein", "Tommy Hilfiger", "Ralph Lauren", "Nike", "Bosch", "Philips", "Hugo Boss", "Jack Wolfskin", "Dell",
          "Kate Spade", "Michael Kors", "Samsung", "Apple", "Makita", "Stanley", "Dr. Martens", "Ben & Jerry's", "Yamaha"]
COMPANIES = ["Johnson Controls", "Baker & Sons Ltd", "Siemens AG", "Marsh & McLennan", "Morgan Stanley", "Wells Fargo",
             "Thomson Reuters", "Harley-Davidson", "Hewlett Packard", "Charles Schwab", "Edward Jones", "Deutsche Bahn AG",
             "Acme Tooling GmbH", "Blue Ridge Logistics LLC", "Northwind Traders", "Fabrikam Inc", "Contoso Ltd", "Ernst & Young",
             "Taylor Wimpey plc", "Marks and Spencer", "Hitachi Ltd", "Nestle SA", "Ikea", "Costco Wholesale", "Kroger Co"]
CITIES = ["Austin", "Charlotte", "Madison", "Houston", "Jackson", "San Jose", "Santa Clara", "Lincoln", "Denver", "Chicago",
          "Boston", "Seattle", "Portland", "Atlanta", "Dallas", "Phoenix", "Memphis", "Omaha", "Tulsa", "Fresno", "Orlando",
          "Victoria", "Sydney", "Berlin", "Paris", "Lyon", "Florence", "Geneva", "Alexandria", "Columbus", "Raleigh", "Toledo"]
DRUGS = ["Metformin 500 mg", "Lisinopril 10 mg", "Atorvastatin 20 mg; Aspirin 81 mg", "Albuterol inhaler", "Amoxicillin 875 mg",
         "Sertraline 50 mg", "Levothyroxine 75 mcg", "none", "Omeprazole 20 mg", "Gabapentin 300 mg", "Insulin glargine"]
ICD = ["E11.9", "I10", "J45.909", "M54.5", "F41.1", "K21.9", "N39.0", "E78.5", "J06.9", "G43.909", "R51", "Z23", "L40.0",
       "C50.911", "I48.91", "F32.9", "E03.9", "S52.501A", "O80", "B34.9"]
r = random.Random(20240611)
fakers = {}


def fake(locale="en_US"):
    if locale not in fakers:
        fakers[locale] = Faker(locale)
        fakers[locale].seed_instance(r.randrange(1 << 30))
    return fakers[locale]


def digits(n):
    return str(r.randrange(1, 10)) + "".join(str(r.randrange(10)) for _ in range(n - 1))


def ean13():
    body = "40" + digits(10)
    total = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(body))
    return body + str(-total % 10)


def luhn(body):
    total = sum(sum(divmod(2 * int(d), 10)) if i % 2 == 0 else int(d) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def routing():
    body = r.choice(["01", "02", "06", "07", "11", "12", "21", "26", "31"]) + digits(6)
    total = sum(int(d) * w for d, w in zip(body, (3, 7, 1, 3, 7, 1, 3, 7)))
    return body + str(-total % 10)


def one(choices):
    return lambda: r.choice(choices)


def day(first, last):
    return lambda: f"{r.randint(first, last)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"


def number(low, high, step=1):
    return lambda: r.randrange(low, high, step)


def money(low, high):
    return lambda: f"{r.uniform(low, high):.2f}"


def maybe(make, share=0.85):
    return lambda: make() if r.random() < share else ""


def ticket_body():
    f = fake()
    return r.choice([
        f"Hi, I cannot log in since {f.day_of_week()}. Please write to {f.email()}. Thanks, {f.first_name()}",
        "The export button does nothing in Firefox 128, build 20240715, screen 1920x1080.",
        f"Please call me back at {r.randint(201, 989)}-{r.randint(220, 989)}-{r.randint(1000, 9999)} after 5 pm.",
        "Error 0x80070057 while saving report 4711-22; version 3.14.2 works.",
        f"Invoice was sent to the wrong address, use {f.email()} from now on.",
        "Dashboard shows 12,345 rows instead of 54,321. See chart 3 on page 2.",
        "When is the next release? Customers are asking about single sign-on."])


def log_line():
    return r.choice([
        f"GET /api/v2/items/{digits(6)} 200 {r.randint(3, 900)}ms from 10.{r.randint(0, 255)}.4.{r.randint(1, 254)}",
        f"job {digits(12)} finished in {r.randint(1, 99)}.{r.randint(0, 9)} s, {digits(7)} rows",
        f"upgrade 2.{r.randint(0, 30)}.{r.randint(0, 9)} -> 2.31.0 ok", f"order {digits(16)} accepted, checksum {digits(10)}"])


def tables():
    us, gb, de, es, fr = (fake(x) for x in ("en_US", "en_GB", "de_DE", "es_ES", "fr_FR"))
    isbn = fake().isbn13
    words = fake().sentence
    yield "tuning", "customers", [
        ("customer_id", number(1000, 99999), []), ("first_name", us.first_name, ["person_name"]),
        ("last_name", us.last_name, ["person_name"]), ("email", us.email, ["email"]),
        ("phone", us.phone_number, ["phone"]), ("street_address", us.street_address, ["address"]),
        ("city", one(CITIES), []), ("state", us.state_abbr, []), ("zip", us.zipcode, None),
        ("signup_date", day(2018, 2024), []), ("loyalty_points", number(0, 9000, 10), []),
        ("newsletter", one(["true", "false"]), []), ("email_verified", one(["true", "false"]), [])]
    yield "tuning", "hr_payroll", [
        ("emp_no", number(10000, 99999), []), ("full_name", gb.name, ["person_name"]),
        ("ni_number", gb.ssn, ["ssn"]), ("dob", day(1958, 2004), ["birth_date"]),
        ("base_salary", number(21000, 140000, 250), ["salary"]), ("sort_code", lambda: f"{digits(2)}-{digits(2)}-{digits(2)}", ["bank_account"]),
        ("account_no", lambda: digits(8), ["bank_account"]),
        ("home_addr", lambda: gb.address().replace("\n", ", "), ["address"]), ("grade", one(["A1", "A2", "B1", "B2", "C1"]), []),
        ("department", one(["Finance", "Operations", "Legal", "Sales", "IT"]), []), ("job_title", gb.job, []),
        ("start_date", day(2005, 2024), []), ("pay_period", one(["2024-04", "2024-05", "2024-06"]), []),
        ("cost_centre", lambda: digits(6), [])]
    yield "tuning", "patients", [
        ("mrn", lambda: "MRN" + digits(7), ["medical"]), ("patient_name", us.name, ["person_name"]),
        ("birth_date", day(1935, 2022), ["birth_date"]), ("blood_type", one(["A+", "A-", "B+", "O+", "O-", "AB+"]), ["medical"]),
        ("primary_dx", one(ICD), ["medical"]), ("medications", one(DRUGS), ["medical"]),
        ("allergies", maybe(one(["penicillin", "peanuts", "none", "latex", "sulfa", "shellfish"])), ["medical"]),
        ("attending", lambda: "Dr. " + us.name(), None), ("admitted_on", day(2023, 2024), []),
        ("room", lambda: f"{r.randint(1, 6)}{r.randint(10, 40)}{r.choice('AB')}", []), ("ward", one(["East", "West", "ICU", "Maternity"]), []),
        ("ssn", us.ssn, ["ssn"])]
    yield "tuning", "orders", [
        ("order_no", lambda: digits(10), []), ("card_no", lambda: us.credit_card_number("visa"), ["card"]),
        ("product_name", one(PRODUCTS), []), ("sku", lambda: f"{r.choice('ABCX')}{digits(2)}.{digits(1)}", []),
        ("tracking_number", lambda: f"{digits(3)}-{digits(3)}-{digits(4)}", []), ("amount", money(4, 900), []),
        ("order_ref", lambda: digits(16), []), ("currency", one(["USD", "EUR", "GBP"]), []),
        ("ordered_at", lambda: us.date_time_this_year().isoformat(), []), ("payment_method", one(["card", "paypal", "invoice"]), []),
        ("card_last4", lambda: digits(4), []), ("ship_to", lambda: us.address().replace("\n", ", "), ["address"]),
        ("invoice", lambda: f"{digits(3)}-{digits(2)}-{digits(4)}", [])]
    yield "tuning", "products", [
        ("product_id", number(1, 90000), []), ("name", one(PRODUCTS), []), ("brand", one(BRANDS), []), ("ean", ean13, []),
        ("list_price", money(3, 999), []), ("condition", one(["new", "used", "refurbished"]), []),
        ("description", words, []), ("version", lambda: f"{r.randint(1, 9)}.{r.randint(0, 20)}.{r.randint(0, 9)}", []),
        ("supplier_code", lambda: f"{digits(3)}-{digits(3)}", []), ("address_space_kb", number(64, 4096, 64), [])]
    yield "tuning", "support_tickets", [
        ("ticket_no", number(4000, 90000), []), ("subject", words, []), ("body", ticket_body, ["email", "phone"]),
        ("log", log_line, []), ("agent", us.name, ["person_name"]), ("created_at", lambda: us.date_time_this_year().isoformat(), []),
        ("status", one(["open", "closed", "waiting"]), []), ("phone_model", one(["Pixel 8", "iPhone 15", "Galaxy S24"]), [])]
    yield "tuning", "servers", [
        ("hostname", us.hostname, []), ("ip_address", us.ipv4, []), ("mac_address", us.mac_address, []),
        ("last_seen", number(1700000000, 1720000000), []), ("mail_domain", us.domain_name, []), ("serial", lambda: digits(9), []),
        ("owner_team", one(["Platform", "Payments", "Search"]), []), ("repo", lambda: f"git@github.com:acme/{us.slug()}.git", []),
        ("icon", lambda: f"{r.choice(['logo', 'badge', 'arrow'])}@{r.randint(1, 3)}x.png", []), ("uptime_s", number(1, 9000000), [])]

    yield "held_out", "kunden", [
        ("Kundennr", number(10000, 99999), []), ("Vorname", de.first_name, ["person_name"]), ("Nachname", de.last_name, ["person_name"]),
        ("Strasse", de.street_address, ["address"]), ("PLZ", de.postcode, None), ("Ort", de.city_name, []),
        ("Telefon", de.phone_number, ["phone"]), ("E-Mail", de.email, ["email"]), ("Geburtsdatum", day(1945, 2005), ["birth_date"]),
        ("IBAN", de.iban, ["bank_account"]), ("Umsatz", money(10, 90000), []), ("Kundengruppe", one(["A", "B", "C"]), []),
        ("Erstkontakt", day(2010, 2024), [])]
    yield "held_out", "clientes", [
        ("nombre", es.first_name, ["person_name"]), ("apellidos", lambda: es.last_name() + " " + es.last_name(), ["person_name"]),
        ("dni", es.nif, ["ssn"]), ("correo", es.email, ["email"]), ("telefono", es.phone_number, ["phone"]),
        ("direccion", lambda: es.street_address().replace("\n", ", "), ["address"]), ("fecha_nacimiento", day(1940, 2006), ["birth_date"]),
        ("salario", number(14000, 90000, 100), ["salary"]), ("ciudad", es.city, []), ("fecha_alta", day(2015, 2024), []),
        ("referencia", lambda: f"ES{digits(8)}", []), ("sector", one(["Retail", "Banca", "Turismo"]), [])]
    yield "held_out", "export_2024", [
        ("f1", us.email, ["email"]), ("f2", us.ssn, ["ssn"]), ("f3", lambda: us.credit_card_number("mastercard"), ["card"]),
        ("f4", fake("fr_FR").iban, ["bank_account"]), ("f5", us.name, ["person_name"]),
        ("f6", lambda: f"({r.randint(2, 9)}{r.randint(20, 99)}) {r.randint(2, 9)}{r.randint(20, 99)}-{digits(4)}", ["phone"]),
        ("f7", lambda: digits(16), []), ("f8", day(2019, 2024), []), ("f9", us.uuid4, []),
        ("f10", lambda: f"{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(0, 255)}", []),
        ("f11", us.street_address, ["address"]), ("f12", lambda: luhn("35" + digits(12)), []), ("f13", one(COMPANIES), []),
        ("f14", lambda: digits(9), []), ("f15", money(10, 5000), []), ("f16", isbn, [])]
    yield "held_out", "vendors", [
        ("vendor_name", one(COMPANIES), []), ("ein", lambda: f"{digits(2)}-{digits(7)}", []), ("duns", lambda: digits(9), []),
        ("contact_person", us.name, ["person_name"]), ("contact_email", us.company_email, ["email"]),
        ("contact_phone", us.phone_number, ["phone"]), ("hq_address", lambda: us.address().replace("\n", ", "), ["address"]),
        ("net_income", number(-900000, 90000000), []), ("revenue", number(100000, 900000000), []), ("website", us.url, []),
        ("bank_iban", gb.iban, ["bank_account"]), ("payment_terms", one(["net 30", "net 60", "prepaid"]), []),
        ("rating", number(1, 6), [])]
    yield "held_out", "vehicles", [
        ("vin", us.vin, []), ("dtc_code", lambda: r.choice("PBCU") + "0" + digits(3), []), ("model", one(["Golf", "Civic", "Corolla", "Jimny"]), []),
        ("owner_name", us.name, ["person_name"]), ("imei", lambda: luhn("35" + digits(12)), []), ("odometer_km", number(0, 300000), []),
        ("registered_on", day(2001, 2024), []), ("part_number", lambda: f"{digits(3)}-{digits(2)}-{digits(4)}", []),
        ("service_notes", one(["Brakes checked, 80 % left", "Oil 5W-30 changed at 45,200 km", "Replaced pads 34116850568"]), []),
        ("driver_license", lambda: r.choice("ABCDS") + digits(12), None)]
    yield "held_out", "loan_applications", [
        ("application_id", us.uuid4, []), ("applicant", us.name, ["person_name"]), ("annual_income", number(18000, 300000, 500), ["salary"]),
        ("ssn_hash", us.sha256, []), ("employer", one(COMPANIES), []), ("routing_number", routing, ["bank_account"]),
        ("acct_number", lambda: digits(10), ["bank_account"]), ("credit_score", number(480, 850), []),
        ("loan_amount", number(1000, 500000, 1000), []), ("term_months", one([12, 24, 36, 60]), []), ("decision", one(["approve", "decline", "refer"]), []),
        ("tax_id", us.ssn, ["ssn"]), ("cell", lambda: f"{r.randint(201, 989)}{r.randint(220, 989)}{r.randint(1000, 9999)}", ["phone"]),
        ("monthly_payment", money(50, 4000), [])]
    yield "held_out", "web_events", [
        ("session_id", us.uuid4, []), ("user_agent", us.user_agent, []), ("event_name", one(["click", "view", "purchase", "logout"]), []),
        ("referrer", us.uri, []), ("client_ip", us.ipv4, None), ("properties", lambda: json.dumps({"plan": r.choice("ab"), "email": us.email()}), ["email"]),
        ("treatment", one(["control", "variant_a", "variant_b"]), []), ("lat", lambda: f"{r.uniform(-60, 60):.6f}", []),
        ("package", lambda: f"@acme/{us.word()}@{r.randint(0, 9)}.{r.randint(0, 9)}.0", []), ("duration_ms", number(1, 90000), []),
        ("epoch_ms", number(1700000000000, 1720000000000), []), ("page_title", words, [])]
    yield "held_out", "cities", [
        ("city", one(CITIES), []), ("mayor", us.name, ["person_name"]), ("population", number(20000, 9000000), []),
        ("founded", number(1200, 1950), []), ("area_code", lambda: str(r.randint(201, 989)), []), ("elevation_m", number(0, 2000), []),
        ("sister_city", one(CITIES), []), ("postal_prefix", lambda: digits(3), []), ("name", one(CITIES), [])]
    yield "held_out", "adherents", [
        ("Prénom", fr.first_name, ["person_name"]), ("Nom de famille", fr.last_name, ["person_name"]), ("Courriel", fr.email, ["email"]),
        ("Téléphone portable", fr.phone_number, ["phone"]), ("Numéro de sécu", fr.ssn, ["ssn"]),
        ("Adresse", lambda: fr.address().replace("\n", ", "), ["address"]), ("Ville", fr.city, []), ("Date de naissance", day(1940, 2010), ["birth_date"]),
        ("Cotisation", money(10, 200), []), ("Discipline", one(["judo", "tennis", "natation"]), []), ("Licence", lambda: digits(7), [])]
    yield "held_out", "books", [
        ("title", lambda: us.sentence(4).rstrip("."), []), ("author", gb.name, ["person_name"]), ("isbn", isbn, []),
        ("publisher", one(["Penguin", "Springer", "O'Reilly", "Faber & Faber", "Simon & Schuster"]), []),
        ("year", number(1950, 2024), []), ("pages", number(80, 1200), []), ("shelf_mark", lambda: f"{r.choice('ABCDEFGH')}{digits(2)}.{digits(1)}", []),
        ("price", money(5, 90), [])]
    yield "held_out", "clinic_visits", [
        ("visit_no", number(1, 90000), []), ("diagnosis_text", one(["Type 2 diabetes", "Essential hypertension", "Acute bronchitis", "Migraine without aura",
                                                                   "Low back pain", "Asthma, mild", "Otitis media", "Anxiety disorder"]), ["medical"]),
        ("systolic_bp", number(95, 180), ["medical"]), ("rx", one(DRUGS), ["medical"]), ("seen_by", lambda: "Dr. " + us.last_name(), None),
        ("visit_date", day(2022, 2024), []), ("copay", money(0, 80), []), ("clinic", one(["North", "Harbour", "St. Mary's"]), []),
        ("procedure", one(["Blood draw", "X-ray chest", "ECG 12-lead", "Flu vaccination"]), None), ("icd", one(ICD), ["medical"]),
        ("emergency_contact", lambda: us.name(), ["person_name"]), ("emergency_phone", lambda: us.phone_number(), ["phone"])]


def main():
    labels = {}
    for group, table, columns in tables():
        with open(HERE / f"{table}.csv", "w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow([name for name, _, _ in columns])
            for _ in range(ROWS):
                writer.writerow([make() if r.random() > 0.03 else "" for _, make, _ in columns])
        labels[table] = {"group": group, "columns": {name: kinds for name, _, kinds in columns}}
    (HERE / "labels.json").write_text(json.dumps(labels, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
