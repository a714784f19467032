#include "catalog/detail/pii_words.h"

#include <algorithm>
#include <array>
#include <span>

// Lists that are long enough to tell a column of people's names from one of other things: a share
// of its values is asked for, never all of them. In byte order.

namespace lakehouse::catalog::pii {
namespace {

// clang-format off
constexpr auto kGivenNames = std::to_array<std::string_view>({
    "aaron", "abdul", "abdullah", "abigail", "adam", "adrian", "adriana", "agnes", "ahmad",
    "ahmed", "aisha", "akira", "alan", "albert", "alberto", "alejandro", "alessandro", "alex",
    "alexander", "alexandra", "alexis", "alfred", "ali", "alice", "alicia", "alina", "alison",
    "allison", "amanda", "amelia", "amina", "amir", "amit", "amy", "ana", "anders", "andre",
    "andrea", "andreas", "andrei", "andrew", "andrzej", "andré", "angel", "angela", "anita",
    "anja", "ann", "anna", "anne", "annette", "anthony", "antoine", "anton", "antonio", "anya",
    "aoife", "april", "aria", "arjun", "arthur", "arun", "asha", "ashley", "astrid", "aurora",
    "ava", "axel", "aylin", "barbara", "beatrice", "ben", "benjamin", "bernard", "bernd", "beth",
    "bianca", "bjorn", "björn", "bob", "brandon", "brenda", "brian", "bridget", "bruce", "bruno",
    "bryan", "caleb", "camila", "camille", "carl", "carla", "carlos", "carmen", "carol",
    "caroline", "catherine", "cecilia", "chandra", "charles", "charlotte", "chen", "cheryl",
    "chiara", "chloe", "chloé", "chris", "christian", "christina", "christine", "christoph",
    "christopher", "claire", "clara", "claudia", "colin", "connor", "cristina", "cynthia",
    "dalia", "damian", "dan", "daniel", "daniela", "danielle", "darius", "david", "deborah",
    "deepak", "denis", "denise", "dennis", "derek", "diana", "diane", "diego", "dieter",
    "dimitri", "dmitri", "dolores", "dominic", "donald", "donna", "doris", "dorothy", "douglas",
    "dylan", "edith", "eduardo", "edward", "eileen", "elaine", "eleanor", "elena", "eli", "elias",
    "elif", "elijah", "elisa", "elizabeth", "ella", "ellen", "emily", "emma", "emmanuel",
    "enrique", "eric", "erik", "erika", "ernest", "esra", "esther", "ethan", "eugene", "eva",
    "evan", "evelyn", "fabian", "fabio", "fatima", "felix", "fernando", "fiona", "florian",
    "frances", "francesca", "francesco", "francis", "francisco", "francois", "frank", "franz",
    "françois", "fred", "frederic", "frederick", "freya", "friedrich", "gabriel", "gabriela",
    "gareth", "gary", "george", "georgia", "gerald", "gerhard", "gianni", "gilbert", "gina",
    "giorgio", "giovanni", "giulia", "giuseppe", "gloria", "gordon", "grace", "greg", "gregory",
    "greta", "guillaume", "gunther", "gustavo", "günther", "hana", "hannah", "hans", "harold",
    "harriet", "harry", "hassan", "heather", "hector", "heidi", "heinrich", "helen", "helena",
    "helene", "helga", "henri", "henrik", "henry", "herbert", "hiroshi", "holger", "hugo",
    "hussein", "ian", "ibrahim", "igor", "ines", "ingrid", "irene", "iris", "isaac", "isabel",
    "isabella", "isabelle", "ivan", "jack", "jacob", "jacqueline", "jacques", "jaime", "jakob",
    "jakub", "james", "jamie", "jan", "jane", "janet", "janice", "jasmine", "jason", "javier",
    "jean", "jeff", "jeffrey", "jennifer", "jens", "jeremy", "jerry", "jesse", "jessica", "jesus",
    "jesús", "jill", "jim", "joan", "joanna", "joao", "joe", "joel", "johan", "johann",
    "johannes", "john", "jonas", "jonathan", "jordan", "jorge", "jose", "josef", "joseph",
    "josephine", "joshua", "josé", "joyce", "joão", "juan", "juana", "judith", "judy", "julia",
    "julian", "juliane", "julie", "julien", "jun", "jurgen", "justin", "jürgen", "kai", "kamal",
    "karen", "karin", "karl", "karolina", "kate", "katharina", "katherine", "kathleen", "kathryn",
    "katie", "kelly", "kenji", "kenneth", "kevin", "khalid", "kim", "klaus", "kristen", "kristin",
    "kumar", "kyle", "lakshmi", "lara", "lars", "laura", "lauren", "laurent", "layla", "lea",
    "leah", "lee", "lena", "leo", "leon", "leonardo", "leslie", "lewis", "liam", "lila", "lily",
    "linda", "lisa", "logan", "lorenzo", "louis", "louise", "luca", "lucas", "lucia", "lucy",
    "lucía", "luis", "luisa", "luke", "madison", "marc", "marcel", "marco", "marcus", "margaret",
    "maria", "mariana", "marie", "marina", "mario", "marion", "mark", "markus", "marta", "martha",
    "martin", "martina", "martín", "mary", "maría", "mateo", "mathias", "matt", "matteo",
    "matthew", "matthias", "maureen", "maurice", "max", "maximilian", "maya", "megan", "mehmet",
    "mei", "melanie", "melissa", "mia", "michael", "michel", "michele", "michelle", "miguel",
    "mikael", "mila", "miriam", "mohamed", "mohammad", "mohammed", "monica", "monika", "muhammad",
    "mustafa", "nadia", "nadine", "nancy", "naomi", "natalia", "natalie", "natasha", "nathan",
    "neha", "nicholas", "nick", "nicola", "nicolas", "nicole", "nikhil", "nikolai", "nina",
    "noah", "nora", "norbert", "norma", "oksana", "olga", "oliver", "olivia", "oliwia", "omar",
    "oscar", "oskar", "otto", "pablo", "pamela", "paola", "patricia", "patrick", "paul", "paula",
    "pauline", "pavel", "pedro", "peter", "petra", "philip", "philipp", "philippe", "phillip",
    "pierre", "pietro", "pilar", "piotr", "priya", "rachel", "rafael", "raj", "rajesh", "ralph",
    "ramon", "randy", "raquel", "raul", "ravi", "raymond", "raúl", "rebecca", "renate", "renee",
    "rené", "renée", "ricardo", "riccardo", "richard", "rita", "robert", "roberta", "roberto",
    "robin", "roger", "rohan", "roland", "rolf", "roman", "ronald", "rosa", "rosemary", "ross",
    "roy", "ruben", "russell", "ruth", "ryan", "sabine", "sabrina", "salma", "sam", "samantha",
    "samir", "samuel", "sandra", "sanjay", "sara", "sarah", "scott", "sean", "sebastian", "selma",
    "sergei", "sergio", "seth", "shannon", "sharon", "shirley", "silvia", "simon", "simone",
    "sofia", "sofía", "sonia", "sophia", "sophie", "stacy", "stefan", "stefanie", "stella",
    "stephanie", "stephen", "steve", "steven", "stuart", "sunil", "susan", "susanne", "suzanne",
    "sven", "svetlana", "sylvia", "sören", "takashi", "tamara", "tanya", "tara", "tatiana",
    "teresa", "terry", "theo", "theodore", "theresa", "thomas", "tiffany", "tim", "timothy",
    "tina", "tobias", "todd", "tom", "tomas", "tomasz", "tony", "tracy", "tyler", "uma", "ursula",
    "uwe", "valentina", "valerie", "vanessa", "vera", "veronica", "victor", "victoria", "vijay",
    "vincent", "viola", "virginia", "vivian", "vladimir", "walter", "wanda", "wei", "wendy",
    "werner", "wesley", "william", "willie", "wolfgang", "xavier", "yan", "yara", "yasmin",
    "yolanda", "yuki", "yusuf", "yvonne", "zachary", "zahra", "zoe", "zofia", "zoë", "óscar",
});

constexpr auto kFamilyNames = std::to_array<std::string_view>({
    "abebe", "adams", "adeyemi", "ahmed", "albrecht", "alexander", "ali", "allen", "almeida",
    "alvarez", "anderson", "andersson", "andre", "arnold", "bailey", "baker", "bakker", "barnes",
    "bauer", "baumann", "beck", "becker", "bell", "bennett", "berger", "bertrand", "bianchi",
    "black", "bonnet", "bos", "boyd", "brandt", "braun", "brooks", "brown", "bruno", "bryant",
    "burns", "butler", "böhm", "campbell", "carter", "carvalho", "castillo", "castro", "celik",
    "chan", "chavez", "chen", "choi", "christensen", "clark", "cohen", "cole", "coleman",
    "collins", "colombo", "conti", "cook", "cooper", "costa", "cox", "crawford", "cruz",
    "daniels", "das", "davis", "deluca", "demir", "diaz", "dixon", "dubois", "dunn", "dupont",
    "durand", "edwards", "ellis", "eriksson", "esposito", "evans", "ferguson", "fernandez",
    "ferrari", "ferreira", "fischer", "fisher", "flores", "ford", "foster", "fournier", "fox",
    "francois", "franke", "freeman", "friedrich", "fuchs", "gallo", "garcia", "gardner", "garza",
    "gibson", "giordano", "girard", "gomez", "gonzalez", "gordon", "graham", "grant", "gray",
    "greco", "green", "griffin", "gross", "gupta", "gutierrez", "guzman", "günther", "hahn",
    "hall", "hamilton", "hansen", "harris", "harrison", "hartmann", "hawkins", "hayes",
    "heinrich", "henderson", "hernandez", "herrera", "hicks", "hill", "hoffmann", "hofmann",
    "holmes", "horvath", "howard", "huang", "huber", "hughes", "hunt", "hunter", "hussain", "ito",
    "ivanov", "iyer", "jackson", "james", "janssen", "jenkins", "jensen", "jimenez", "johansen",
    "johansson", "johnson", "jones", "jordan", "joshi", "jung", "jäger", "kaiser", "kaminski",
    "kang", "karlsson", "kato", "kaur", "kaya", "keller", "kelley", "kelly", "kennedy", "khan",
    "kim", "king", "klein", "kobayashi", "koch", "korhonen", "kovac", "kowalczyk", "kowalski",
    "kraus", "krause", "krämer", "krüger", "kumar", "kuznetsov", "lambert", "lang", "lange",
    "larsen", "larsson", "laurent", "lee", "lefebvre", "lehmann", "leroy", "levy", "lewandowski",
    "lewis", "li", "lima", "lin", "liu", "lombardi", "long", "lopez", "lorenz", "ludwig", "ma",
    "mancini", "marino", "marshall", "martin", "martinez", "mason", "mayer", "mcdonald", "medina",
    "mehta", "meijer", "mendez", "mendoza", "mensah", "mercier", "meyer", "michel", "miller",
    "mills", "mitchell", "mizrahi", "moore", "morales", "moreau", "morel", "moreno", "moretti",
    "morgan", "morris", "mueller", "mulder", "munoz", "murphy", "murray", "mwangi", "myers",
    "möller", "müller", "nagy", "nakamura", "nelson", "neumann", "nguyen", "nichols", "nielsen",
    "nilsson", "novak", "nowak", "okafor", "oliveira", "olsen", "olson", "olsson", "ortiz",
    "otto", "owens", "palmer", "park", "parker", "patel", "patterson", "payne", "pedersen",
    "pereira", "perez", "perry", "persson", "peters", "peterson", "petrov", "phillips", "pierce",
    "popov", "porter", "powell", "price", "ramirez", "ramos", "rao", "rasmussen", "reddy", "reed",
    "reyes", "reynolds", "ribeiro", "ricci", "rice", "richardson", "richter", "rivera", "rizzo",
    "roberts", "robertson", "robinson", "rodriguez", "rogers", "romano", "romero", "rose", "ross",
    "rossi", "roth", "roux", "ruiz", "russell", "russo", "ryan", "sahin", "salazar", "sanchez",
    "sanders", "santos", "sato", "schmidt", "schmitt", "schneider", "scholz", "schröder",
    "schulz", "schumacher", "schuster", "schwarz", "schäfer", "scott", "seidel", "shah", "sharma",
    "shaw", "sidorov", "silva", "simmons", "simon", "simpson", "singh", "smirnov", "smit",
    "smith", "snyder", "sommer", "sorensen", "soto", "souza", "spencer", "stein", "stephens",
    "stevens", "stewart", "stone", "sullivan", "sun", "suzuki", "szabo", "tanaka", "taylor",
    "thomas", "thompson", "torres", "tran", "tucker", "turner", "vargas", "vasquez", "verma",
    "vincent", "virtanen", "visser", "vogel", "vogt", "volkov", "wagner", "walker", "wallace",
    "wang", "ward", "warren", "washington", "watanabe", "watson", "weaver", "webb", "weber",
    "weiss", "wells", "west", "white", "williams", "wilson", "winkler", "winter", "wisniewski",
    "wojcik", "wolf", "wong", "wood", "woods", "wright", "wu", "xu", "yamamoto", "yang", "yilmaz",
    "yoshida", "young", "zhang", "zhao", "zhou", "zhu", "zielinski", "zimmermann",
});

constexpr auto kStreetWords = std::to_array<std::string_view>({
    "aleja", "allee", "alley", "apartment", "apt", "av", "avda", "ave", "avenida", "avenue",
    "blvd", "boulevard", "calle", "carrera", "carretera", "chaussee", "chemin", "cir", "circle",
    "close", "corso", "court", "cres", "crescent", "ct", "damm", "dr", "drive", "expressway",
    "gade", "gasse", "gata", "gatan", "gracht", "highway", "hwy", "impasse", "jalan", "kade",
    "laan", "lane", "largo", "ln", "loop", "marg", "mews", "nagar", "parkway", "paseo", "piazza",
    "pkwy", "pl", "place", "platz", "plaza", "plein", "pobox", "quai", "rd", "ring", "road",
    "rua", "rue", "sq", "square", "st", "ste", "str", "straat", "strasse", "straße", "street",
    "suite", "ter", "terrace", "trail", "travessa", "trl", "turnpike", "ufer", "ul", "ulica",
    "ulitsa", "utca", "vagen", "vej", "via", "viale", "vicolo", "vägen", "way", "weg",
});

constexpr auto kMedicalWords = std::to_array<std::string_view>({
    "acetaminophen", "acute", "adhd", "aids", "albuterol", "allergic", "allergy", "alprazolam",
    "alzheimer", "amlodipine", "amoxicillin", "anaemia", "anaphylaxis", "anemia", "angina",
    "angioplasty", "anxiety", "apnea", "appendectomy", "appendicitis", "arrhythmia", "aspirin",
    "asthma", "atorvastatin", "autism", "azithromycin", "biopsy", "bipolar", "bradycardia",
    "cancer", "carcinoma", "cataract", "cetirizine", "chemotherapy", "chickenpox", "chronic",
    "ciprofloxacin", "cirrhosis", "citalopram", "clopidogrel", "codeine", "colitis",
    "colonoscopy", "concussion", "copd", "covid", "crohn", "dementia", "depression", "depressive",
    "dermatitis", "diabetes", "diabetic", "dialysis", "diazepam", "diclofenac", "doxycycline",
    "eczema", "edema", "embolism", "endometriosis", "endoscopy", "epilepsy", "escitalopram",
    "fibrillation", "fibromyalgia", "fluoxetine", "fluticasone", "fracture", "furosemide",
    "gabapentin", "gallstones", "gerd", "glaucoma", "gout", "hepatitis", "hernia", "hiv",
    "hydrochlorothiazide", "hyperglycemia", "hyperlipidemia", "hypertension", "hyperthyroidism",
    "hypoglycemia", "hypothermia", "hypothyroidism", "hysterectomy", "ibuprofen", "infarction",
    "infection", "infertility", "influenza", "insomnia", "insulin", "latex", "leukemia",
    "levothyroxine", "lisinopril", "lithium", "loratadine", "lorazepam", "losartan", "lupus",
    "lymphoma", "malaria", "mastectomy", "measles", "melanoma", "metformin", "methotrexate",
    "metoprolol", "migraine", "miscarriage", "montelukast", "morphine", "naproxen", "nausea",
    "nephropathy", "neuropathy", "obesity", "omeprazole", "osteoporosis", "oxycodone",
    "pantoprazole", "paracetamol", "parkinson", "peanuts", "penicillin", "pneumonia",
    "prednisolone", "prednisone", "preeclampsia", "pregnancy", "pregnant", "psoriasis", "ptsd",
    "quetiapine", "radiotherapy", "rash", "reflux", "retinopathy", "risperidone", "salbutamol",
    "schizophrenia", "sclerosis", "seizure", "sepsis", "sertraline", "shellfish", "shingles",
    "simvastatin", "sprain", "stroke", "sulfa", "tachycardia", "thrombosis", "tramadol",
    "tuberculosis", "tumor", "tumors", "tumour", "ulcer", "vomiting", "warfarin", "zolpidem",
});

constexpr auto kFileExtensions = std::to_array<std::string_view>({
    "cc", "css", "csv", "dll", "exe", "gif", "gz", "htm", "html", "ico", "jpeg", "jpg", "js",
    "json", "log", "md", "pdf", "png", "py", "so", "svg", "tar", "ts", "txt", "webp", "woff",
    "xml", "zip",
});
// clang-format on

/// Ends of words in languages that join them: "lindenstrasse", "kungsgatan".
constexpr auto kStreetEndings = std::to_array<std::string_view>(
    {"strasse", "straße", "straat", "gatan", "vägen", "gasse", "allee", "platz", "laan", "weg"});
/// Of illnesses, operations and medicines; of words of at least `kMedicalBytesMin`.
constexpr auto kMedicalEndings = std::to_array<std::string_view>(
    {"itis", "emia", "aemia", "pathy", "ectomy", "statin", "cillin", "prazole", "sartan", "mycin",
     "algia", "plegia", "ostomy", "oplasty", "uria", "penia"});
constexpr std::size_t kMedicalBytesMin = 8;

static_assert(std::ranges::is_sorted(kGivenNames) && std::ranges::is_sorted(kFamilyNames) &&
              std::ranges::is_sorted(kStreetWords) && std::ranges::is_sorted(kMedicalWords) &&
              std::ranges::is_sorted(kFileExtensions));

bool has(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::binary_search(words, word);
}

bool ends_like(std::span<const std::string_view> endings, std::string_view word) {
  return std::ranges::any_of(endings, [&](std::string_view end) {
    return word.size() > end.size() + 1 && word.ends_with(end);
  });
}

}  // namespace

bool is_given_name(std::string_view word) {
  return has(kGivenNames, word);
}
bool is_family_name(std::string_view word) {
  return has(kFamilyNames, word);
}
bool is_street_word(std::string_view word) {
  return has(kStreetWords, word) || ends_like(kStreetEndings, word);
}
bool is_medical_word(std::string_view word) {
  return has(kMedicalWords, word) ||
         (word.size() >= kMedicalBytesMin && ends_like(kMedicalEndings, word));
}
bool is_file_extension(std::string_view word) {
  return has(kFileExtensions, word);
}

}  // namespace lakehouse::catalog::pii
