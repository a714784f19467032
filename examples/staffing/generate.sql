-- A staffing firm that never was: 2.47 million rows as CSV, NDJSON and Parquet files in the current folder.
--
--   clients.csv 2,000 · candidates.csv 100,000 · job_orders.ndjson 15,000 · placements.parquet 50,000
--   timesheets.csv 1,000,000 · call_log.ndjson 800,000 · email_log.parquet 500,000
--
-- Every value follows from the row's number by a hash, so each run writes the same bytes. Keys hold: an order belongs
-- to a client of a fitting industry, a placement joins an order to a candidate of the same trade, a time sheet lies in its
-- placement's weeks. The dirt is on purpose: odd phones, blank e-mails, shouted names, states spelt out.

SET TimeZone = 'UTC';
SET preserve_insertion_order = true;
SET threads = 1;  -- The files are then the same to the byte on every machine.

-- A number in [0, n) that belongs to row `i` and purpose `why`; a fraction in [0, 1); a pick from a list.
CREATE OR REPLACE TEMP MACRO die(i, why, n) AS (hash(i, why) % n)::INTEGER;
CREATE OR REPLACE TEMP MACRO frac(i, why) AS (hash(i, why) % 1000003) / 1000003.0::DOUBLE;
CREATE OR REPLACE TEMP MACRO pick(list, i, why) AS list[1 + (hash(i, why) % len(list))::INTEGER];
-- The same with the list's head far likelier than its tail: how names and cities are spread.
CREATE OR REPLACE TEMP MACRO pick_skewed(list, i, why) AS list[1 + floor(len(list) * pow(frac(i, why), 1.8))::INTEGER];
-- The k-th of several different picks: neighbours in the list, from a start of its own.
CREATE OR REPLACE TEMP MACRO pick_kth(list, i, why, k) AS list[1 + ((hash(i, why) % len(list))::INTEGER + k) % len(list)];
CREATE OR REPLACE TEMP MACRO today() AS DATE '2026-06-29';
-- Candidates are numbered as they come in, 100,000 of them over seven and a half years: how many there were at a time.
CREATE OR REPLACE TEMP MACRO candidates_by(t) AS least(99999, 100000 * (epoch(t) - epoch(TIMESTAMP '2019-01-02')) / 236000000 - 2);
-- In the middle of a sentence, unless it starts with capitals: "line cook", but "CNC machinist" and "ICU nurse".
CREATE OR REPLACE TEMP MACRO in_text(title) AS (regexp_replace(title, '^([A-Z][A-Z]+ )?.*$', '\1') || lower(regexp_replace(title, '^[A-Z][A-Z]+ ', '')));

---------------------------------------------------------------------------------------------------------------
-- Word lists

CREATE OR REPLACE TEMP TABLE trades (trade VARCHAR, share INTEGER, pay_low DOUBLE, pay_high DOUBLE, titles VARCHAR[],
  skills VARCHAR[], duties VARCHAR[], results VARCHAR[], papers VARCHAR[], places VARCHAR[]);
INSERT INTO trades VALUES
('software', 11, 38, 88, ['Software Engineer', 'Backend Developer', 'Full Stack Developer', 'Senior Java Developer', 'Web Developer'],
 ['Java', 'Python', 'SQL', 'TypeScript', 'React', 'Kubernetes', 'AWS', 'PostgreSQL', 'Docker', 'Go', 'C#', 'Terraform', 'Spring Boot', 'Git'],
 ['built payment services in Java behind a REST gateway', 'moved a monolith to containers on Kubernetes', 'tuned slow PostgreSQL queries for the billing team', 'wrote React screens for the claims portal', 'kept the build and release pipelines green', 'reviewed code and mentored two juniors', 'designed an event queue for order tracking', 'replaced nightly batch jobs by streaming', 'ran on-call for a service with millions of daily requests', 'added tracing and alerts that people actually read'],
 ['cut page load time from four seconds to under one', 'brought cloud costs down by a third', 'released every week instead of every quarter', 'closed a backlog of two hundred security findings', 'reached 99.95 percent availability for the year'],
 ['AWS Certified Developer', 'Oracle Java certification', 'Certified Kubernetes Application Developer', 'Scrum Master certificate'],
 ['a logistics start-up', 'a regional bank', 'an insurance carrier', 'a hospital software vendor', 'an online retailer', 'a telecom operator']),
('data', 6, 35, 80, ['Data Analyst', 'Data Engineer', 'Business Intelligence Developer', 'Reporting Analyst'],
 ['SQL', 'Python', 'Tableau', 'Power BI', 'dbt', 'Snowflake', 'Excel', 'Airflow', 'Spark', 'statistics', 'R', 'data modelling'],
 ['built dashboards for plant managers in Power BI', 'modelled sales and returns in a warehouse with dbt', 'cleaned customer addresses from four legacy systems', 'wrote Airflow pipelines that load two hundred tables a night', 'ran churn analyses for the marketing team', 'answered ad hoc questions from finance within the day', 'measured the effect of price changes by experiment', 'documented metrics so that departments agreed on revenue', 'forecast weekly demand for spare parts'],
 ['found duplicate invoices worth two million dollars', 'replaced sixty spreadsheets with one report', 'halved the run time of the nightly load', 'lifted forecast accuracy by eleven points'],
 ['Tableau Desktop Specialist', 'Microsoft Power BI Data Analyst', 'Google Data Analytics certificate', 'SnowPro Core'],
 ['a grocery chain', 'a parts manufacturer', 'a health plan', 'a city government', 'a utility company']),
('nursing', 10, 31, 62, ['Registered Nurse', 'Licensed Practical Nurse', 'ICU Nurse', 'Home Health Nurse', 'Charge Nurse'],
 ['patient care', 'IV therapy', 'triage', 'wound care', 'Epic', 'BLS', 'ACLS', 'medication administration', 'pediatrics', 'geriatrics', 'telemetry', 'discharge planning'],
 ['cared for six patients a shift on a telemetry floor', 'gave medication and watched for reactions', 'started IV lines and drew blood', 'taught families how to dress wounds at home', 'charted in Epic during rounds', 'triaged walk-ins in a busy emergency department', 'led the night shift of nine nurses', 'assisted at bedside procedures in intensive care', 'planned discharges with social workers', 'visited elderly patients at home'],
 ['kept the unit free of central line infections for fourteen months', 'was named nurse of the quarter', 'shortened handover by ten minutes a shift', 'trained twenty-two new graduates'],
 ['state RN license', 'BLS and ACLS', 'CCRN', 'LPN license', 'wound care certification'],
 ['a county hospital', 'a children''s clinic', 'a rehabilitation center', 'a home care agency', 'a university medical center']),
('accounting', 7, 24, 55, ['Staff Accountant', 'Accounts Payable Clerk', 'Senior Accountant', 'Payroll Specialist', 'Bookkeeper'],
 ['QuickBooks', 'Excel', 'accounts payable', 'accounts receivable', 'payroll', 'reconciliation', 'GAAP', 'SAP', 'month-end close', 'sales tax', 'audit support'],
 ['reconciled bank and credit card accounts every week', 'closed the books within five working days', 'processed four hundred invoices a month', 'ran payroll for three hundred employees in six states', 'prepared sales tax returns', 'chased overdue receivables with patience', 'pulled documents for the external auditors', 'matched purchase orders to receipts', 'moved the ledger from paper to QuickBooks'],
 ['brought days outstanding from fifty-two to thirty-eight', 'passed three audits without a finding', 'recovered ninety thousand dollars of duplicate payments', 'cut the close from nine days to four'],
 ['CPA candidate', 'Certified Bookkeeper', 'Certified Payroll Professional', 'QuickBooks ProAdvisor'],
 ['a property manager', 'a construction firm', 'a wholesale bakery', 'a law office', 'a nonprofit']),
('warehouse', 15, 16, 26, ['Forklift Operator', 'Warehouse Associate', 'Order Picker', 'Shipping Clerk', 'Warehouse Lead'],
 ['forklift', 'reach truck', 'RF scanner', 'order picking', 'inventory', 'shipping', 'receiving', 'pallet jack', 'WMS', 'loading', 'cycle counting'],
 ['drove a stand-up forklift in narrow aisles', 'picked ninety lines an hour with an RF scanner', 'loaded and sealed outbound trailers', 'counted stock and traced differences', 'received containers and checked them against the papers', 'wrapped and labelled pallets for export', 'ran the returns cage', 'kept dock doors clear and safe', 'trained temps during the holiday peak', 'moved freezer goods at minus ten degrees'],
 ['held an accuracy of 99.8 percent for a year', 'worked two years without a lost-time accident', 'shortened trailer turnaround by twenty minutes', 'was promoted to lead after eight months'],
 ['OSHA forklift certification', 'reach truck certificate', 'OSHA 10', 'hazmat handling'],
 ['a distribution center', 'a cold storage warehouse', 'a furniture importer', 'a beverage wholesaler', 'a parcel hub']),
('welding', 6, 22, 42, ['MIG Welder', 'TIG Welder', 'Structural Welder', 'Pipe Welder', 'Welder Fabricator'],
 ['MIG', 'TIG', 'stick welding', 'blueprint reading', 'grinding', 'pipe welding', 'aluminum', 'stainless steel', 'fabrication', 'plasma cutting'],
 ['welded structural steel frames to code', 'ran TIG on stainless pipe for food plants', 'read blueprints and laid out parts', 'ground and finished visible seams', 'set up jigs for repeat orders', 'repaired cracked loader buckets in the field', 'cut plate by plasma and torch', 'passed x-ray inspection on pressure vessels', 'kept machines and leads in good order'],
 ['had a rework rate below one percent', 'saved a week on a bridge job by better fixtures', 'passed every bend test at first try', 'trained three apprentices'],
 ['AWS D1.1', '6G pipe certification', 'OSHA 30', 'ASME Section IX'],
 ['a shipyard', 'a trailer builder', 'a fabrication shop', 'a pipeline contractor', 'a dairy equipment maker']),
('electrical', 5, 24, 48, ['Journeyman Electrician', 'Maintenance Electrician', 'Industrial Electrician', 'Apprentice Electrician'],
 ['conduit bending', 'PLC', 'motor controls', 'NEC', 'troubleshooting', 'blueprint reading', 'panel wiring', 'three-phase', 'lockout tagout', 'lighting'],
 ['pulled wire and bent conduit in new offices', 'traced faults in motor control circuits', 'wired panels after drawings', 'maintained conveyors and their PLC cabinets', 'locked out and tagged every job', 'replaced lighting in a running plant at night', 'read one-line diagrams with the engineers', 'installed chargers and transfer switches', 'tested ground and insulation'],
 ['brought line stops down by forty percent', 'finished a hotel wing two weeks early', 'passed every city inspection', 'wrote the lockout guide that the plant still uses'],
 ['journeyman license', 'OSHA 30', 'NFPA 70E training', 'Allen-Bradley PLC course'],
 ['an electrical contractor', 'a bottling plant', 'a paper mill', 'an airport', 'a school district']),
('machining', 5, 21, 40, ['CNC Machinist', 'CNC Operator', 'Tool and Die Maker', 'Quality Inspector'],
 ['CNC', 'G-code', 'Mastercam', 'lathe', 'milling', 'micrometers', 'GD&T', 'SolidWorks', 'CMM', 'deburring', 'first article inspection'],
 ['set up and ran five-axis mills', 'edited G-code at the machine', 'held two tenths on aerospace brackets', 'measured parts with micrometers and a CMM', 'programmed fixtures in Mastercam', 'changed tools before they failed', 'kept the first article reports', 'ran Swiss lathes with bar feeders', 'deburred and packed finished parts'],
 ['cut set-up time by half', 'dropped scrap from four percent to one', 'kept three machines running alone on second shift', 'built a die that ran a million strokes'],
 ['NIMS Level 1', 'Mastercam certificate', 'Six Sigma Yellow Belt', 'GD&T course'],
 ['an aerospace supplier', 'a medical device maker', 'an engine rebuilder', 'a mold shop', 'a valve manufacturer']),
('customer service', 11, 16, 27, ['Customer Service Representative', 'Call Center Agent', 'Inside Sales Representative', 'Client Support Specialist'],
 ['phone support', 'Salesforce', 'Zendesk', 'bilingual Spanish', 'conflict resolution', 'data entry', 'upselling', 'chat support', 'CRM', 'typing 60 wpm'],
 ['answered seventy calls a day', 'calmed angry callers and found what they needed', 'entered orders and returns in Salesforce', 'helped customers in English and Spanish', 'wrote chat answers that others reused', 'followed up on late shipments', 'sold service plans to existing customers', 'kept notes that the next agent could use', 'coached new hires on the phone system'],
 ['held a satisfaction score of 96 percent', 'was top seller of the region twice', 'cut repeat calls by a fifth', 'missed no day in two years'],
 ['Salesforce Administrator', 'customer service certificate', 'HIPAA training'],
 ['an appliance maker', 'a cable company', 'a travel agency', 'a credit union', 'a medical billing service']),
('human resources', 3, 22, 48, ['HR Generalist', 'Recruiter', 'HR Coordinator', 'Benefits Specialist'],
 ['recruiting', 'onboarding', 'Workday', 'benefits', 'employee relations', 'FMLA', 'interviewing', 'ADP', 'I-9', 'training'],
 ['screened a hundred applications a week', 'ran onboarding for new plants', 'answered questions on leave and benefits', 'checked I-9 papers and kept them ready for audit', 'sat with managers through difficult talks', 'moved records into Workday', 'planned open enrollment', 'hosted job fairs at community colleges', 'wrote job descriptions people understood'],
 ['filled forty production jobs in six weeks', 'lowered first-year turnover by a quarter', 'passed an I-9 audit without fines', 'brought time to hire under three weeks'],
 ['PHR', 'SHRM-CP', 'benefits administration certificate'],
 ['a food processor', 'a hotel group', 'a staffing branch', 'a trucking company', 'a school network']),
('marketing', 3, 22, 50, ['Marketing Coordinator', 'Content Writer', 'Social Media Manager', 'Graphic Designer'],
 ['copywriting', 'SEO', 'Google Analytics', 'Adobe Creative Suite', 'email campaigns', 'HubSpot', 'social media', 'photography', 'event planning'],
 ['wrote a monthly newsletter to thirty thousand readers', 'ran paid search with a small budget', 'designed booths and brochures', 'shot and cut product videos', 'planned trade shows from booking to teardown', 'rewrote the website in plain words', 'measured campaigns in Google Analytics', 'answered comments on three channels', 'briefed outside printers'],
 ['doubled newsletter opens', 'won an industry award for the catalog', 'brought the cost of a lead down by a third', 'tripled followers in a year'],
 ['HubSpot Inbound', 'Google Ads certification', 'Adobe Certified Professional'],
 ['a garden supplier', 'a sports club', 'a furniture brand', 'a museum', 'a software company']),
('project management', 3, 36, 78, ['Project Manager', 'Construction Project Manager', 'Scrum Master', 'Program Coordinator'],
 ['MS Project', 'Agile', 'budgeting', 'risk management', 'stakeholder communication', 'Jira', 'scheduling', 'contracts', 'RFI', 'change orders'],
 ['led projects from bid to handover', 'kept budgets between one and nine million dollars', 'ran weekly meetings with owners and trades', 'tracked risks and changes in one log', 'negotiated change orders', 'planned sprints with two teams', 'wrote status reports that fit one page', 'coordinated permits with the city', 'settled disputes between subcontractors'],
 ['delivered a clinic under budget', 'finished eleven of twelve projects on time', 'recovered a late ERP rollout', 'kept a site free of injuries for five hundred days'],
 ['PMP', 'Certified Scrum Master', 'OSHA 30', 'LEED Green Associate'],
 ['a general contractor', 'a software consultancy', 'a water authority', 'an engineering office', 'a hospital group']),
('food service', 5, 14, 25, ['Line Cook', 'Prep Cook', 'Banquet Server', 'Kitchen Manager', 'Baker'],
 ['food safety', 'grill', 'prep', 'inventory', 'menu planning', 'catering', 'knife skills', 'ServSafe', 'banquets', 'baking'],
 ['cooked two hundred covers on weekend nights', 'prepped sauces, stocks and salads from scratch', 'kept stations clean for every inspection', 'served banquets of five hundred guests', 'ordered produce and counted stock', 'baked bread from four in the morning', 'planned menus for a school week', 'ran the grill alone at lunch', 'showed new cooks how to hold a knife'],
 ['brought food cost down by three points', 'scored 99 in the health inspection', 'opened a second kitchen in six weeks', 'was cook of the month four times'],
 ['ServSafe Manager', 'food handler card', 'allergen training'],
 ['a hotel kitchen', 'a hospital cafeteria', 'a steak house', 'a catering company', 'a university dining hall']),
('driving', 6, 21, 36, ['CDL Driver', 'Delivery Driver', 'Tanker Driver', 'Box Truck Driver'],
 ['CDL Class A', 'hazmat', 'ELD', 'route planning', 'pre-trip inspection', 'tanker', 'flatbed', 'customer service', 'liftgate', 'clean driving record'],
 ['drove dry vans in eleven states', 'made forty stops a day in city traffic', 'hauled fuel with tanker and hazmat endorsements', 'secured flatbed loads of steel', 'kept logs on an electronic device', 'checked the truck before every trip', 'unloaded by liftgate and hand truck', 'planned routes around weather', 'collected signatures and payments'],
 ['drove nine hundred thousand miles without an accident', 'was on time for 98 percent of deliveries', 'saved fuel worth four thousand dollars a year', 'never failed a roadside inspection'],
 ['CDL Class A', 'hazmat endorsement', 'TWIC card', 'DOT medical card'],
 ['a regional carrier', 'a fuel distributor', 'a bakery', 'a building supplier', 'a parcel service']),
('IT support', 6, 21, 44, ['Help Desk Technician', 'Desktop Support Specialist', 'Network Technician', 'Systems Administrator'],
 ['Active Directory', 'Windows', 'Office 365', 'Cisco', 'ticketing', 'imaging', 'VPN', 'PowerShell', 'Linux', 'VMware', 'cabling'],
 ['closed thirty tickets a day by phone and at the desk', 'imaged and handed out laptops', 'reset passwords and explained phishing', 'ran cable and patched switches', 'kept Active Directory tidy', 'wrote PowerShell scripts for new starters', 'moved mailboxes to Office 365', 'restored servers from backup', 'supported nurses on moving carts'],
 ['brought waiting time from two days to two hours', 'migrated nine hundred mailboxes without loss', 'passed the security audit', 'wrote forty guides that users follow'],
 ['CompTIA A+', 'CompTIA Network+', 'CCNA', 'Microsoft 365 Fundamentals'],
 ['a school district', 'a clinic', 'a law firm', 'a county office', 'a managed service provider']),
('office', 9, 16, 30, ['Administrative Assistant', 'Receptionist', 'Office Manager', 'Data Entry Clerk', 'Executive Assistant'],
 ['Microsoft Office', 'scheduling', 'data entry', 'filing', 'phone etiquette', 'travel booking', 'typing', 'notary', 'minutes', 'Outlook', 'supplies ordering'],
 ['kept calendars for three directors', 'greeted visitors and sorted the mail', 'typed and proofread contracts', 'entered eight thousand records a week', 'booked travel and settled expenses', 'took minutes at board meetings', 'ordered supplies within budget', 'kept files that anybody could find', 'answered a switchboard with twelve lines'],
 ['moved an office of sixty without a lost day', 'saved a fifth on supplies', 'cleared a backlog of four years in three months', 'keyed with an error rate below one in a thousand'],
 ['notary public', 'Microsoft Office Specialist', 'typing certificate'],
 ['a law office', 'a dental practice', 'a church', 'a real estate broker', 'a university department']);

CREATE OR REPLACE TEMP TABLE trade_slots AS  -- One row a percent: slot -> trade.
  SELECT row_number() OVER (ORDER BY trade, n) - 1 AS slot, trade FROM trades, range(share) r(n);

CREATE OR REPLACE TEMP MACRO first_names() AS ['James','Maria','Robert','Linda','Michael','Patricia','David','Jennifer','John','Jessica','William','Ashley','Jose','Sarah','Daniel','Emily','Christopher','Amanda','Matthew','Melissa','Anthony','Stephanie','Joshua','Nicole','Carlos','Elizabeth','Andrew','Heather','Kevin','Michelle','Brian','Kimberly','Luis','Angela','Thomas','Rebecca','Ryan','Laura','Juan','Samantha','Eric','Rachel','Jacob','Brittany','Tyler','Christina','Brandon','Danielle','Justin','Kayla','Mohammed','Fatima','Wei','Mei','Raj','Priya','Dmitri','Olga','Kwame','Aisha','Hiroshi','Yuki','Sean','Siobhán','Pierre','Chloé','José','Zoë','Tremaine','Latoya','Duc','Linh','Omar','Layla','Ivan','Ingrid','Tariq','Nadia','Miguel','Guadalupe','Darnell','Keisha','Caleb','Hannah','Ethan','Grace','Jamal','Imani','Oscar','Rosa','Victor','Elena','Walter','Dorothy','Marcus','Tiffany','Curtis','Gloria','Hector','Ruth'];
CREATE OR REPLACE TEMP MACRO last_names() AS ['Smith','Johnson','Williams','Garcia','Brown','Jones','Miller','Davis','Rodriguez','Martinez','Hernandez','Lopez','Wilson','Anderson','Gonzalez','Thomas','Taylor','Moore','Jackson','Martin','Lee','Perez','Thompson','White','Harris','Sanchez','Clark','Ramirez','Lewis','Robinson','Walker','Young','Allen','King','Wright','Scott','Torres','Nguyen','Hill','Flores','Green','Adams','Nelson','Baker','Hall','Rivera','Campbell','Mitchell','Carter','Roberts','Gomez','Phillips','Evans','Turner','Diaz','Parker','Cruz','Edwards','Collins','Reyes','Stewart','Morris','Morales','Murphy','Cook','Rogers','Gutierrez','Ortiz','Morgan','Cooper','Peterson','Bailey','Reed','Kelly','Howard','Ramos','Kim','Cox','Ward','Richardson','Watson','Brooks','Chavez','Wood','James','Bennett','Gray','Mendoza','Ruiz','Hughes','Price','Alvarez','Castillo','Sanders','Patel','Myers','Long','Ross','Foster','Jimenez','Powell','Jenkins','Perry','Russell','Sullivan','Bell','Coleman','Butler','Henderson','Barnes','Fisher','Vasquez','Simmons','Graham','Murray','Ford','Castro','Marshall','Owens','Mendez','O''Brien','McDonald','Van Dyke','De la Cruz','Nowak','Okafor','Tran','Singh','Chen','Haddad','Kowalski','Petrov','Yamamoto','Müller','Johansson','Abdi','Oyelaran','Fitzgerald','Whitfield','Stanczyk'];

CREATE OR REPLACE TEMP TABLE cities AS
  SELECT row_number() OVER () - 1 AS place, * FROM (VALUES
  ('Houston','TX','Texas','713','770'),('Chicago','IL','Illinois','312','606'),('Dallas','TX','Texas','214','752'),
  ('Phoenix','AZ','Arizona','602','850'),('Atlanta','GA','Georgia','404','303'),('Columbus','OH','Ohio','614','432'),
  ('Indianapolis','IN','Indiana','317','462'),('Charlotte','NC','North Carolina','704','282'),('San Antonio','TX','Texas','210','782'),
  ('Milwaukee','WI','Wisconsin','414','532'),('Nashville','TN','Tennessee','615','372'),('Denver','CO','Colorado','303','802'),
  ('Kansas City','MO','Missouri','816','641'),('Louisville','KY','Kentucky','502','402'),('Memphis','TN','Tennessee','901','381'),
  ('Detroit','MI','Michigan','313','482'),('Cleveland','OH','Ohio','216','441'),('Tampa','FL','Florida','813','336'),
  ('Newark','NJ','New Jersey','973','071'),('Pittsburgh','PA','Pennsylvania','412','152'),('St. Louis','MO','Missouri','314','631'),
  ('Rockford','IL','Illinois','815','611'),('Toledo','OH','Ohio','419','436'),('Fort Wayne','IN','Indiana','260','468'),
  ('Green Bay','WI','Wisconsin','920','543'),('Grand Rapids','MI','Michigan','616','495'),('Worcester','MA','Massachusetts','508','016'),
  ('Tulsa','OK','Oklahoma','918','741'),('Omaha','NE','Nebraska','402','681'),('Spokane','WA','Washington','509','992')
  ) v(city, state, state_name, area_code, zip_start);

CREATE OR REPLACE TEMP TABLE industries AS SELECT * FROM (VALUES
  ('Manufacturing', ['welding','machining','electrical','warehouse','project management']),
  ('Logistics', ['warehouse','driving','office','customer service']),
  ('Healthcare', ['nursing','office','IT support','customer service','food service']),
  ('Finance', ['accounting','customer service','software','data','office']),
  ('Technology', ['software','data','IT support','marketing','project management']),
  ('Construction', ['electrical','welding','project management','driving','accounting']),
  ('Hospitality', ['food service','customer service','human resources','office']),
  ('Retail', ['warehouse','customer service','marketing','driving','data']),
  ('Public sector', ['office','IT support','nursing','accounting','human resources'])) v(industry, wanted);

-- Sixty recruiters in nine offices; the calls and accounts are theirs.
CREATE OR REPLACE TEMP TABLE recruiters AS
  SELECT i AS recruiter_id, pick(first_names(), i, 'rec-first') || ' ' || pick(last_names(), i, 'rec-last') AS name,
    pick(['Chicago','Houston','Atlanta','Dallas','Columbus','Phoenix','Charlotte','Milwaukee','Denver'], i // 7, 'office') AS office,
    1 + die(i, 'skill', 4) AS level
  FROM range(1, 61) r(i);

-- A phone as people write it: five good spellings, one time in a hundred something odd.
CREATE OR REPLACE TEMP MACRO phone(area, i, why) AS (
  CASE WHEN die(i, why || 'odd', 100) = 0 THEN pick(['n/a', 'call office', '555-HOME', '0000000000', '(' || area || ') 555-01' , '+1'], i, why || 'oddity')
  ELSE CASE die(i, why || 'form', 10) WHEN 0 THEN area || '5550' || lpad(die(i, why, 1000)::VARCHAR, 3, '0')
    WHEN 1 THEN '+1 ' || area || ' 555 0' || lpad(die(i, why, 1000)::VARCHAR, 3, '0')
    WHEN 2 THEN area || '.555.0' || lpad(die(i, why, 1000)::VARCHAR, 3, '0')
    WHEN 3 THEN '(' || area || ') 555-0' || lpad(die(i, why, 1000)::VARCHAR, 3, '0') || ' x' || die(i, why || 'ext', 900)::VARCHAR
    ELSE '(' || area || ') 555-0' || lpad(die(i, why, 1000)::VARCHAR, 3, '0') END END);

---------------------------------------------------------------------------------------------------------------
-- Clients

CREATE OR REPLACE TEMP TABLE clients AS
WITH base AS (
  SELECT i AS client_id, floor(30 * pow(frac(i, 'c-city'), 1.6))::INTEGER AS place,
    pick_skewed(['Manufacturing','Logistics','Healthcare','Finance','Technology','Construction','Hospitality','Retail','Public sector'], i, 'industry') AS industry,
    pick(last_names(), i, 'c-name') AS family, pick(first_names(), i, 'c-first') AS first, pick(last_names(), i, 'c-last') AS last,
    CASE WHEN frac(i, 'tier') < 0.08 THEN 'A' WHEN frac(i, 'tier') < 0.35 THEN 'B' ELSE 'C' END AS tier
  FROM range(1, 2001) r(i))
SELECT client_id,
  CASE WHEN die(client_id, 'shout', 40) = 0 THEN upper(name) WHEN die(client_id, 'shout', 40) = 1 THEN name || '  ' ELSE name END AS name,
  industry, tier, city,
  CASE WHEN die(client_id, 'state', 25) = 0 THEN state_name ELSE state END AS state,
  first || ' ' || last AS contact_name,
  CASE WHEN die(client_id, 'no-mail', 50) = 0 THEN NULL
    ELSE lower(strip_accents(first)) || '.' || regexp_replace(lower(strip_accents(last)), '[^a-z]', '', 'g') || '@' ||
      regexp_replace(lower(strip_accents(name)), '[^a-z0-9]', '', 'g') || '.example' END AS contact_email,
  phone(area_code, client_id, 'c-phone') AS phone,
  DATE '2008-01-01' + die(client_id, 'since', 6500) AS client_since,
  (CASE tier WHEN 'A' THEN 250000 WHEN 'B' THEN 80000 ELSE 20000 END * (0.5 + frac(client_id, 'credit')))::INTEGER // 500 * 500 AS credit_limit,
  CASE WHEN frac(client_id, 'terms') < 0.6 THEN 30 WHEN frac(client_id, 'terms') < 0.85 THEN 45 ELSE 15 END AS payment_days,
  1 + die(client_id, 'manager', 60) AS account_manager_id,
  CASE WHEN die(client_id, 'c-status', 20) = 0 THEN 'lost' WHEN die(client_id, 'c-status', 20) < 3 THEN 'dormant' ELSE 'active' END AS status,
  CASE WHEN frac(client_id, 'note') < 0.55 THEN pick(['Wants timesheets by Monday noon.', 'Badge and boots needed at the gate.', 'Ask for Pat, not the front desk.',
    'Drug test before every start, they pay.', 'Slow payer; "net 30" means net 50.', 'Second shift only.', 'Prefers three people to meet before choosing.', 'Parking behind the plant, bus line 14 stops there.'], client_id, 'c-note') END AS notes
FROM (SELECT *, CASE die(client_id, 'c-form', 4)
    WHEN 0 THEN family || ' ' || pick(['Industries','Group','Partners','Holdings','& Sons'], client_id, 'c-suffix')
    WHEN 1 THEN pick(['Northern','Lakeside','Prairie','Summit','Riverbend','Blue Ridge','Iron Gate','Cedar','Capitol','Union'], client_id, 'c-word') || ' ' || pick(['Works','Supply','Systems','Services','Care','Foods','Freight','Builders'], client_id, 'c-kind')
    WHEN 2 THEN city || ' ' || industry || ' ' || pick(['Co','LLC','Inc.','Corp.'], client_id, 'c-suffix')
    ELSE family || ', ' || pick(last_names(), client_id, 'c-second') || ' ' || pick(['LLC','Inc.','& Co'], client_id, 'c-suffix') END AS name
  FROM base JOIN cities USING (place))
ORDER BY client_id;

COPY clients TO 'clients.csv' (FORMAT csv, HEADER);

---------------------------------------------------------------------------------------------------------------
-- Candidates, with what they say of themselves

CREATE OR REPLACE TEMP TABLE people AS
WITH base AS (
  SELECT i AS candidate_id, floor(30 * pow(frac(i, 'city'), 1.5))::INTEGER AS place,
    -- The trade's slots add up to 111; a row's slot is its own.
    die(i, 'trade', (SELECT count(*) FROM trade_slots)) AS slot,
    pick_skewed(first_names(), i, 'first') AS first_name, pick_skewed(last_names(), i, 'last') AS last_name,
    -- Few are very experienced: a hump at three to eight years.
    floor(26 * pow((frac(i, 'exp-a') + frac(i, 'exp-b')) / 2, 1.7))::INTEGER AS years
  FROM range(1, 100001) r(i))
SELECT base.*, trades.*, cities.* EXCLUDE (place),
  pick(titles, candidate_id, 'title') AS title,
  list_distinct([pick_kth(skills, candidate_id, 'skill', 2 * k) FOR k IN range(3 + die(candidate_id, 'skills', 4))]) AS own_skills,
  2026 - years - 19 - die(candidate_id, 'age', 14) AS born_year,
  round(pay_low + (pay_high - pay_low) * least(1, 0.12 + years / 22.0 + (frac(candidate_id, 'pay') - 0.5) * 0.3), 2) AS hourly
FROM base JOIN trade_slots USING (slot) JOIN trades USING (trade) JOIN cities USING (place)
ORDER BY candidate_id;

-- One job of a résumé: k counts back from the present one, `till` is the year it ended.
CREATE OR REPLACE TEMP MACRO job_text(i, k, title, duties, results, places, city, since, till) AS (
  CASE die(i, 'job' || k, 4)
    WHEN 0 THEN 'From ' || since || ' to ' || till || ' I worked as ' || in_text(title) || ' for ' || pick_kth(places, i, 'place', k) || ' in ' || city || ', where I ' || pick_kth(duties, i, 'duty', 3 * k) || ', ' || pick_kth(duties, i, 'duty', 3 * k + 1) || ' and ' || pick_kth(duties, i, 'duty', 3 * k + 2) || '.'
    WHEN 1 THEN since || '-' || till || ', ' || title || ' at ' || pick_kth(places, i, 'place', k) || ' (' || city || '): ' || pick_kth(duties, i, 'duty', 3 * k) || '; ' || pick_kth(duties, i, 'duty', 3 * k + 1) || '; ' || pick_kth(duties, i, 'duty', 3 * k + 2) || '.'
    WHEN 2 THEN 'At ' || pick_kth(places, i, 'place', k) || ' in ' || city || ' (' || since || ' until ' || till || ') I ' || pick_kth(duties, i, 'duty', 3 * k) || '. I also ' || pick_kth(duties, i, 'duty', 3 * k + 1) || ', and when needed ' || pick_kth(duties, i, 'duty', 3 * k + 2) || '.'
    ELSE 'As ' || in_text(title) || ' with ' || pick_kth(places, i, 'place', k) || ', ' || since || ' to ' || till || ', I ' || pick_kth(duties, i, 'duty', 3 * k) || ' and ' || pick_kth(duties, i, 'duty', 3 * k + 1) || '; for some months I ' || pick_kth(duties, i, 'duty', 3 * k + 2) || '.'
  END ||
  CASE die(i, 'result' || k, 5) WHEN 0 THEN '' WHEN 1 THEN ' There I ' || pick_kth(results, i, 'res', k) || '.'
    WHEN 2 THEN ' My supervisor can confirm that I ' || pick_kth(results, i, 'res', k) || '.'
    ELSE ' I ' || pick_kth(results, i, 'res', k) || '.' END);

CREATE OR REPLACE TEMP MACRO opening(i, title, years, city, skills) AS (
  CASE die(i, 'opening', 6)
    WHEN 0 THEN title || ' with ' || years || ' years of experience in ' || city || ', strong in ' || skills[1] || ' and ' || skills[2] || '.'
    WHEN 1 THEN 'I am a ' || pick(['reliable','careful','curious','hands-on','calm','quick'], i, 'trait') || ' ' || in_text(title) || ' who likes ' || pick(['early shifts','a clear plan','hard problems','working with people','clean work','learning new tools'], i, 'like') || '; ' || years || ' years in the trade.'
    WHEN 2 THEN 'Looking for a ' || pick(['full-time','contract','temp-to-hire','part-time','second shift'], i, 'seek') || ' position as ' || in_text(title) || ' near ' || city || '. ' || years || ' years so far, most of them around ' || skills[1] || '.'
    WHEN 3 THEN 'After ' || years || ' years as ' || in_text(title) || ' I know ' || array_to_string(skills, ', ') || '.'
    WHEN 4 THEN pick(['Dependable','Detail-minded','Energetic','Seasoned','Bilingual'], i, 'trait') || ' ' || in_text(title) || ' based in ' || city || '. Comfortable with ' || array_to_string(skills, ', ') || '.'
    ELSE 'Summary: ' || years || ' years, ' || in_text(title) || ', ' || city || '. Key skills: ' || array_to_string(skills, '; ') || '.'
  END);

CREATE OR REPLACE TEMP MACRO schooling(i, born, city, papers) AS (
  pick(['High school diploma','GED','Associate degree','Bachelor''s degree','Trade school certificate','Some college','Two-year technical program'], i, 'school') || ', ' || city || ', ' || (born + 19 + die(i, 'grad', 5)) || '. ' ||
  CASE WHEN frac(i, 'paper') < 0.7 THEN pick(['Certified: ','Licenses: ','I hold ','Certificates: '], i, 'paper-word') || pick_kth(papers, i, 'paper', 0) ||
    CASE WHEN frac(i, 'paper') < 0.3 THEN ' and ' || pick_kth(papers, i, 'paper', 1) ELSE '' END || '. ' ELSE '' END);

CREATE OR REPLACE TEMP MACRO closing(i) AS (
  pick(['I can start in two weeks.','Available at once.','I have my own car and can work weekends.','Willing to travel up to half the time.','Night shifts are fine with me.',
    'References on request.','I would rather not relocate before summer.','I speak English and Spanish.','I served four years in the Army before this.','My last supervisor will gladly speak for me.',
    'I took two years off to care for my father and am ready to return.','Looking for steady hours close to home.'], i, 'close-a') || ' ' ||
  pick(['People say that I stay calm when it gets loud.','I like to leave a place tidier than I found it.','I learn new systems fast and write down what I learn.','Safety comes first, then speed.',
    'I am looking for a team that talks openly.','Outside work I coach youth soccer.','I restore old motorcycles in my garage.','I bake for half the neighborhood.','I volunteer at the food bank on Saturdays.',
    'I read everything about my field that I can find.','I care about customers more than about scripts.','My goal is to lead a small crew within two years.'], i, 'close-b'));

-- Few have so much to say that the last words are left out.
CREATE OR REPLACE TEMP TABLE resumes AS
SELECT candidate_id, CASE WHEN len(string_split(body, ' ')) > 225 THEN trim(body) ELSE body || closing(candidate_id) END AS resume_text
FROM (SELECT candidate_id, opening(candidate_id, title, years, city, own_skills) || ' ' ||
  array_to_string([job_text(candidate_id, k, pick_kth(titles, candidate_id, 'title', k), duties, results, places,
      pick_kth(['Houston','Chicago','Dallas','Phoenix','Atlanta','Columbus','Charlotte','Milwaukee','Denver','Toledo','Tulsa','Omaha','Memphis','Tampa'], candidate_id, 'was', k),
      2025 - 3 * k - die(candidate_id, 'since', 3), 2026 - 3 * k) FOR k IN range(2 + die(candidate_id, 'jobs', 3))], ' ') || ' ' ||
  schooling(candidate_id, born_year, city, papers) AS body
FROM people);

CREATE OR REPLACE TEMP TABLE candidates AS
SELECT candidate_id,
  CASE WHEN die(candidate_id, 'n-shout', 50) = 0 THEN upper(first_name) ELSE first_name END AS first_name,
  CASE die(candidate_id, 'n-shout', 50) WHEN 0 THEN upper(last_name) WHEN 1 THEN lower(last_name) WHEN 2 THEN last_name || ' ' ELSE last_name END AS last_name,
  CASE WHEN die(candidate_id, 'no-mail', 45) = 0 THEN NULL WHEN die(candidate_id, 'no-mail', 45) = 1 THEN upper(mail) ELSE mail END AS email,
  CASE WHEN die(candidate_id, 'no-phone', 60) = 0 THEN NULL ELSE phone(area_code, candidate_id, 'phone') END AS phone,
  -- Numbers from 900 to 999 are never given out.
  CASE WHEN die(candidate_id, 'no-ssn', 30) = 0 THEN NULL ELSE (900 + die(candidate_id, 'ssn1', 100)) || '-' || lpad((1 + die(candidate_id, 'ssn2', 99))::VARCHAR, 2, '0') || '-' || lpad((1 + die(candidate_id, 'ssn3', 9999))::VARCHAR, 4, '0') END AS ssn,
  make_date(born_year, 1 + die(candidate_id, 'month', 12), 1 + die(candidate_id, 'day', 28)) AS date_of_birth,
  city, CASE die(candidate_id, 'state', 30) WHEN 0 THEN state_name WHEN 1 THEN lower(state) ELSE state END AS state,
  zip_start || lpad(die(candidate_id, 'zip', 100)::VARCHAR, 2, '0') AS zip,
  trade, title, array_to_string(own_skills, '; ') AS skills, years AS years_experience,
  (hourly * 2080)::INTEGER // 100 * 100 AS desired_salary,
  CASE WHEN frac(candidate_id, 'status') < 0.46 THEN 'available' WHEN frac(candidate_id, 'status') < 0.74 THEN 'placed' WHEN frac(candidate_id, 'status') < 0.86 THEN 'interviewing'
    WHEN frac(candidate_id, 'status') < 0.96 THEN 'inactive' ELSE 'do not contact' END AS status,
  pick_skewed(['job board','referral','web site','walk-in','job fair','social media','former employee'], candidate_id, 'source') AS source,
  frac(candidate_id, 'reloc') < 0.22 AS willing_to_relocate,
  TIMESTAMP '2019-01-02 00:00:00' + to_seconds(candidate_id * 2360 - die(candidate_id, 'created', 2360)) AS created_at,
  resume_text
FROM (SELECT *, lower(strip_accents(first_name)) || pick(['.','_',''], candidate_id, 'mail-sep') || regexp_replace(lower(strip_accents(last_name)), '[^a-z]', '', 'g') ||
    CASE WHEN frac(candidate_id, 'mail-n') < 0.8 THEN (candidate_id % 9973)::VARCHAR ELSE '' END || '@' ||
    pick_skewed(['mailbox.example','post.example','inbox.example','letters.example','webmail.example'], candidate_id, 'mail-host') AS mail FROM people)
JOIN resumes USING (candidate_id)
ORDER BY candidate_id;

COPY candidates TO 'candidates.csv' (FORMAT csv, HEADER);

---------------------------------------------------------------------------------------------------------------
-- Job orders: an A client orders far more than a C client

CREATE OR REPLACE TEMP TABLE client_slots AS
  SELECT row_number() OVER (ORDER BY client_id, n) - 1 AS slot, client_id
  FROM clients, range(CASE tier WHEN 'A' THEN 30 WHEN 'B' THEN 8 ELSE 2 END) r(n);

CREATE OR REPLACE TEMP TABLE orders AS
WITH base AS (
  SELECT i AS job_order_id, die(i, 'o-client', (SELECT count(*) FROM client_slots)) AS slot FROM range(1, 15001) r(i)),
wanted AS (
  SELECT job_order_id, clients.*, pick(wanted, job_order_id, 'o-trade') AS trade
  FROM base JOIN client_slots USING (slot) JOIN clients USING (client_id) JOIN industries USING (industry))
SELECT job_order_id, client_id, trade, pick(titles, job_order_id, 'o-title') AS title, wanted.city, wanted.state, wanted.account_manager_id,
  DATE '2021-01-04' + floor(1995 * pow(frac(job_order_id, 'opened'), 0.8))::INTEGER AS opened_on,
  CASE WHEN frac(job_order_id, 'openings') < 0.6 THEN 1 ELSE 2 + floor(12 * pow(frac(job_order_id, 'many'), 2))::INTEGER END AS openings,
  round(pay_low + (pay_high - pay_low) * (0.1 + 0.7 * frac(job_order_id, 'o-pay')), 2) AS pay_rate,
  1.32 + 0.3 * frac(job_order_id, 'markup') - CASE tier WHEN 'A' THEN 0.08 ELSE 0 END AS markup,
  list_distinct([pick_kth(skills, job_order_id, 'o-skill', 3 * k) FOR k IN range(2 + die(job_order_id, 'o-skills', 3))]) AS requirements,
  pick_kth(duties, job_order_id, 'o-duty', 0) AS duty_a, pick_kth(duties, job_order_id, 'o-duty', 4) AS duty_b
FROM wanted JOIN trades USING (trade)
ORDER BY job_order_id;

COPY (
  SELECT job_order_id, client_id, title, trade,
    CASE WHEN opened_on > today() - 60 THEN pick(['open','open','open','filled'], job_order_id, 'o-status') WHEN frac(job_order_id, 'o-status') < 0.74 THEN 'filled' WHEN frac(job_order_id, 'o-status') < 0.9 THEN 'cancelled' ELSE 'open' END AS status,
    opened_on, opened_on + 7 + die(job_order_id, 'start', 28) AS needed_by, openings,
    struct_pack(pay := pay_rate, bill := round(pay_rate * markup, 2), currency := 'USD') AS rate,
    struct_pack(city := city, state := state, remote := trade IN ('software','data','marketing') AND frac(job_order_id, 'remote') < 0.5) AS location,
    pick_skewed(['first','second','third','rotating','weekend'], job_order_id, 'shift') AS shift,
    requirements, account_manager_id AS recruiter_id,
    'Our last ' || in_text(title) || ' ' || duty_a || ' and ' || duty_b || '. ' || pick(['Clean background needed.','Steel toes and long sleeves.','Lunch is on us.','May lead to hire after 90 days.','Overtime most weeks.','Quiet office, free parking.'], job_order_id, 'o-note') AS description
  FROM orders ORDER BY job_order_id) TO 'job_orders.ndjson' (FORMAT json);

---------------------------------------------------------------------------------------------------------------
-- Placements: an order meets a candidate of its trade

CREATE OR REPLACE TEMP TABLE placed AS
WITH ranked AS (
  SELECT candidate_id, trade, years, row_number() OVER (PARTITION BY trade ORDER BY candidate_id) - 1 AS rank FROM people),
counts AS (SELECT trade, count(*) AS people_count FROM ranked GROUP BY trade),
by_date AS (SELECT *, row_number() OVER (ORDER BY opened_on, job_order_id) - 1 AS order_rank FROM orders),
-- All weeks worked lie in the past: how many orders were opened early enough for so many.
early AS (
  SELECT n::INTEGER AS weeks, count(*) AS orders_count FROM orders, range(1, 40) r(n) WHERE opened_on < today() - 7 * n::INTEGER - 30 GROUP BY n),
base AS (
  SELECT i AS placement_id,
    -- 20 weeks on average, and exactly so: what one of a pair works longer, the other works shorter.
    20 + CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END * die((i - 1) // 2, 'weeks', 18) AS weeks
  FROM range(1, 50001) r(i)),
ordered AS (
  SELECT base.*, by_date.*, people_count,  -- Placements start on a Monday.
    date_trunc('week', opened_on + 7 + die(placement_id, 'p-start', least(120, today() - 7 * weeks - 22 - opened_on)))::DATE AS start_date
  FROM base JOIN early USING (weeks) JOIN by_date ON order_rank = floor(orders_count * pow(frac(placement_id, 'p-order'), 0.75)) JOIN counts USING (trade))
SELECT ordered.*, ranked.candidate_id, ranked.years
FROM ordered JOIN ranked ON ranked.trade = ordered.trade
  AND ranked.rank = floor(people_count * (candidates_by(start_date) / 100000 - 0.02) * (1 - pow(frac(placement_id, 'p-candidate'), 1.4)))
ORDER BY placement_id;

COPY (
  SELECT placement_id, job_order_id, candidate_id, client_id, title, start_date, (start_date + 7 * weeks - 3 + CASE WHEN start_date + 7 * weeks > today() - 30 THEN 30 + 7 * die(placement_id, 'p-more', 20) ELSE 0 END)::DATE AS end_date,
    round(pay_rate * (0.95 + least(years, 15) * 0.01), 2)::DECIMAL(9, 2) AS pay_rate, round(pay_rate * (0.95 + least(years, 15) * 0.01) * markup, 2)::DECIMAL(9, 2) AS bill_rate,
    CASE WHEN start_date + 7 * weeks > today() - 30 THEN 'active' WHEN frac(placement_id, 'p-end') < 0.72 THEN 'completed' WHEN frac(placement_id, 'p-end') < 0.84 THEN 'converted' WHEN frac(placement_id, 'p-end') < 0.95 THEN 'ended early' ELSE 'no show' END AS status,
    account_manager_id AS recruiter_id, CASE WHEN frac(placement_id, 'rating') < 0.4 THEN NULL ELSE least(5, 1 + floor(5 * pow(frac(placement_id, 'stars'), 0.5)))::TINYINT END AS client_rating
  FROM placed ORDER BY placement_id) TO 'placements.parquet' (FORMAT parquet, COMPRESSION zstd);

---------------------------------------------------------------------------------------------------------------
-- Time sheets: one a week of each placement

COPY (
  WITH sheets AS (
    SELECT placement_id, candidate_id, client_id, start_date, pay_rate, w, placement_id * 100 + w AS seed
    FROM placed, range(38) r(w) WHERE w < weeks)
  SELECT row_number() OVER (ORDER BY placement_id, w) AS timesheet_id, placement_id, candidate_id, start_date + 7 * w::INTEGER AS week_start,
    CASE WHEN frac(seed, 'sick') < 0.04 THEN 0.0 WHEN frac(seed, 'sick') < 0.12 THEN 8.0 * (1 + die(seed, 'days', 4)) ELSE 40.0 END AS hours_regular,
    CASE WHEN frac(seed, 'sick') >= 0.12 AND frac(seed, 'over') < 0.28 THEN 0.25 * (1 + die(seed, 'ot', 60)) ELSE 0.0 END AS hours_overtime,
    CASE WHEN frac(seed, 'late') < 0.93 THEN 'approved' WHEN frac(seed, 'late') < 0.98 THEN 'submitted' ELSE 'disputed' END AS status,
    TIMESTAMP '1970-01-05 06:00:00' + to_days((start_date - DATE '1970-01-05')::INTEGER + 7 * w::INTEGER + 5) + to_minutes(die(seed, 'min', 4000)) AS submitted_at,
    CASE WHEN frac(seed, 't-note') < 0.03 THEN pick(['forgot to clock out','holiday week','left early, dentist','covered for a colleague','line was down','see e-mail'], seed, 't-text') END AS note
  FROM sheets ORDER BY timesheet_id) TO 'timesheets.csv' (FORMAT csv, HEADER);

---------------------------------------------------------------------------------------------------------------
-- Calls, most of them to few candidates, in working hours

COPY (
  SELECT i AS call_id, called_at,
    -- Newcomers are called the most.
    1 + floor(candidates_by(called_at) * (1 - pow(frac(i, 'call-who'), 1.6)))::INTEGER AS candidate_id,
    struct_pack(id := recruiter_id, name := recruiters.name, office := office) AS recruiter,
    CASE WHEN frac(i, 'dir') < 0.78 THEN 'out' ELSE 'in' END AS direction, outcome,
    CASE outcome WHEN 'no answer' THEN 0 WHEN 'voicemail' THEN 15 + die(i, 'len', 40) ELSE 40 + floor(1500 * pow(frac(i, 'len'), 3))::INTEGER END AS duration_s,
    CASE WHEN outcome IN ('reached','interested','not interested') AND frac(i, 'call-note') < 0.45 THEN
      pick(['Asked about ','Talked through ','Wants to hear more on ','Not happy with ','Confirmed ','Will think about '], i, 'n1') || pick(['second shift','the pay','the drive','a day shift near home','remote work','temp-to-hire','the start date','overtime','the drug test','the interview on Tuesday'], i, 'n2') ||
      pick(['.','; call back Thursday.','; texted the address.','; has another offer.','. Sounded keen.','; spouse works nights.',', knows the plant already.'], i, 'n3') END AS note
  FROM (SELECT i, TIMESTAMP '2022-01-03 08:00:00' + to_days(floor(1630 * pow(frac(i, 'call-day'), 0.85))::INTEGER) + to_seconds(die(i, 'call-s', 36000)) AS called_at,
      1 + floor(60 * pow(frac(i, 'call-rec'), 1.2))::INTEGER AS recruiter_id,
      CASE WHEN frac(i, 'outcome') < 0.34 THEN 'voicemail' WHEN frac(i, 'outcome') < 0.55 THEN 'no answer' WHEN frac(i, 'outcome') < 0.8 THEN 'reached' WHEN frac(i, 'outcome') < 0.93 THEN 'interested' WHEN frac(i, 'outcome') < 0.985 THEN 'not interested' ELSE 'wrong number' END AS outcome
    FROM range(1, 800001) r(i))
  JOIN recruiters USING (recruiter_id) ORDER BY call_id) TO 'call_log.ndjson' (FORMAT json, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ');

---------------------------------------------------------------------------------------------------------------
-- E-mails to candidates and clients

COPY (
  SELECT i AS email_id, sent_at, CASE WHEN NOT to_client THEN 1 + floor(candidates_by(sent_at) * frac(i, 'm-cand'))::INTEGER END AS candidate_id, CASE WHEN to_client THEN 1 + floor(2000 * pow(frac(i, 'm-client'), 1.5))::INTEGER END AS client_id,
    1 + die(i, 'm-rec', 60) AS recruiter_id, campaign,
    CASE campaign WHEN 'job alert' THEN pick(['New jobs near you','3 openings that fit','Starting Monday: day shift','Still looking?'], i, 'm-subj') WHEN 'timesheet reminder' THEN 'Your timesheet for last week' WHEN 'invoice' THEN 'Invoice ' || (100000 + i)
      WHEN 'interview' THEN pick(['Interview on ','Your meeting on '], i, 'm-subj') || strftime(sent_at + INTERVAL 3 DAY, '%b %d') ELSE pick(['Checking in','Candidates for your opening','Quick question'], i, 'm-subj') END AS subject,
    CASE WHEN NOT bounced AND frac(i, 'opened') < 0.41 THEN sent_at + to_seconds(60 + floor(172800 * pow(frac(i, 'open-s'), 3))::BIGINT) END AS opened_at,
    NOT bounced AND frac(i, 'opened') < 0.41 AND frac(i, 'click') < 0.3 AS clicked, bounced, 1800 + die(i, 'size', 42000) AS size_bytes
  FROM (SELECT i, campaign, campaign IN ('invoice','client note') AS to_client, frac(i, 'bounce') < 0.021 AS bounced,
      TIMESTAMP '2023-01-02 07:00:00' + to_seconds((hash(i, 'sent') % 110000000)::BIGINT) AS sent_at
    FROM (SELECT i, pick_skewed(['job alert','timesheet reminder','interview','client note','invoice'], i, 'campaign') AS campaign FROM range(1, 500001) r(i)))
  ORDER BY email_id) TO 'email_log.parquet' (FORMAT parquet, COMPRESSION zstd);
