#include "catalog/detail/pii_names.h"

#include <array>

#include "base/text.h"

namespace lakehouse::catalog::pii {
namespace {

/// Phrases by '|'. "first name" is found in "firstname", too.
struct KindPhrases {
  PiiKind kind;
  std::string_view clearly;
  std::string_view perhaps;
  std::string_view against;
};

constexpr std::string_view kFlags =
    "|verified|hash|hashed|sha|md|type|status|count|flag|opt|consent|template|source|provider|"
    "valid|is valid|encrypted|token|format|length|";

constexpr std::array kPhrases = std::to_array<KindPhrases>({
    {.kind = PiiKind::Email,
     .clearly = "email|emails|e mail|mail address|email address|email id|courriel|epost|"
                "sahkoposti|posta elettronica|correo|correo "
                "electronico|mailadresse",
     .perhaps = "mail|contact|login|recipient|sender",
     .against = "subject|body|sent|domain|bounce|campaign"},
    {.kind = PiiKind::Phone,
     .clearly = "phone|phones|telephone|mobile|cell|tel|fax|msisdn|telefon|telefonnummer|handy|"
                "mobil|rufnummer|telefono|movil|celular|gsm|whatsapp|telefoon|telefoonnummer|"
                "telefonu|telefone|mobiel|cellulare|puhelin|phone number|phone no|mobile "
                "number|contact number|contact no|home phone|work phone|cell phone",
     .perhaps = "contact|emergency contact|hotline|call|caller|callee|ph",
     .against = "order|isbn|part|sku|serial|invoice|tracking|ticket|product|imei|imsi|iccid|ean|"
                "upc|barcode|gtin|model|os|brand|carrier|line|tower|battery|version|ip|device|"
                "app|"
                "case|policy|reference|ref|lot|batch|shipment|parcel|asset"},
    {.kind = PiiKind::Ssn,
     .clearly = "ssn|social security|social security number|social sec|soc sec|national id|"
                "national insurance|nino|ni number|sin|dni|nie|cpf|nir|fiscal code|codice fiscale|"
                "steuer id|steuerid|personal id|personnummer|bsn|pesel|nif|curp|henkilotunnus|"
                "aadhaar|itin|sozialversicherungsnummer",
     .perhaps = "tax id|tin|tax number|taxpayer|id number|national number|identification number|"
                "government id|govt id|insurance number|social",
     .against = "last 4|company|vendor|supplier|vat|ein|order|part|sku|serial|product"},
    {.kind = PiiKind::Salary,
     .clearly =
         "salary|salaries|wage|wages|compensation|base pay|gross pay|net pay|take home pay|"
         "hourly pay|hourly wage|pay rate|annual pay|monthly pay|annual income|monthly income|"
         "household income|yearly income|personal income|gehalt|jahresgehalt|bruttogehalt|"
         "nettogehalt|monatsgehalt|lohn|bruttolohn|salaire|salario|sueldo|stipendio|"
         "remuneration|wynagrodzenie|pensja|salaris|maandloon|manadslon|arslon|retribuzione|"
         "stipend|annual comp|base comp|total comp|ctc|earnings",
     .perhaps = "pay|income|bonus|commission|hourly rate|comp|overtime pay",
     .against = "date|day|period|grade|band|code|id|currency|frequency|account|expense|category|"
                "points|method|payable|net income|operating|revenue|percent|pct|ratio|claim|"
                "claims|"
                "shipping|order|cycle|plan|schedule|class|level|company|by"},
    {.kind = PiiKind::Address,
     .clearly = "address|addresses|addr|street|address line|street address|home address|mailing "
                "address|residence|strasse|anschrift|adres|adresa|woonadres|gatuadress|ulica|"
                "adresse|direccion|indirizzo|endereco|domicile|"
                "domicilio|calle|rue",
     .perhaps = "location|line 1|shipto|ship to|bill to|deliver to",
     .against = "ip|ipv|mac|email|mail|url|uri|web|website|wallet|contract|memory|eth|btc|"
                "bitcoin|crypto|id|host|server|network|port|register|bus|hw|hardware|city|town|"
                "state|country|region|county|lat|lon|lng|latitude|longitude|virtual|offset|book|"
                "pointer|block"},
    {.kind = PiiKind::Medical,
     .clearly =
         "diagnosis|diagnoses|diagnose|icd|medication|medications|"
         "allergy|allergies|blood type|blood group|blood pressure|mrn|medical record|medical|"
         "prescription|prescriptions|symptom|symptoms|immunization|vaccination|vaccine|"
         "disability|health condition|chief complaint|hba 1 c|a 1 c|cholesterol|systolic|"
         "diastolic|bmi|glucose|heart rate|pregnant|pregnancy|hiv|comorbidity|"
         "comorbidities|lab result|health status|mental health|diabetic|smoker|disease|illness",
     .perhaps = "condition|conditions|treatment|procedure|drug|drug name|dose|dosage|therapy|"
                "clinical|rx|health|complaint|notes",
     .against = "vehicle|dtc|obd|car|stored|server|machine|ab|experiment|http|api|check|"
                "healthcheck|endpoint|disk|system|air|node|cluster|weather|product|item|payment|"
                "order|menu|dish|recipe|equipment|invoice|terms|legal"},
    {.kind = PiiKind::Card,
     .clearly = "card number|card no|card num|credit card|debit card|cc number|cc num|ccnum|"
                "cc no|"
                "pan|payment card|kreditkarte|kreditkartennummer|credit card number",
     .perhaps = "card|cc|payment",
     .against = "brand|last 4|expiry|exp|expires|cvv|holder|name|loyalty|gift|sim|graphics|"
                "network|member|library|issuer|imei"},
    {.kind = PiiKind::BankAccount,
     .clearly = "iban|bank account|bank acct|routing number|routing no|aba|routing|sort code|bic|"
                "swift|kontonummer|bankverbindung|clabe|bsb|direct deposit|deposit account|"
                "aba rtn",
     .perhaps = "account number|account no|acct number|acct no|acct num|account num|acct|konto|"
                "account|bank",
     .against = "name|balance|manager|github|email|user|city|branch|key|queue|routing key|"
                "message"},
    {.kind = PiiKind::PersonName,
     .clearly =
         "first name|fname|last name|lname|surname|given name|family name|middle name|full "
         "name|maiden name|nome completo|sobrenome|voornaam|achternaam|imie|nazwisko|fornamn|"
         "efternamn|etunimi|sukunimi|vorname|nachname|familienname|prenom|nom de famille|"
         "nombre|apellido|"
         "apellidos|cognome|customer name|employee name|patient name|contact name|person "
         "name|client name|guest name|student name|candidate name|member name|applicant name|"
         "passenger name|driver name|cardholder|card holder|account holder|holder name|"
         "beneficiary "
         "name|recipient name|manager name|doctor name|physician|borrower name|tenant name|owner "
         "name|spouse|next of kin|user full name|worker name|donor name|subscriber name|"
         "buyer name|seller name|attendee name|lead name",
     .perhaps =
         "name|names|contact|manager|assignee|author|owner|created by|updated by|approved "
         "by|reported by|reporter|signed by|assigned to|recruiter|sales rep|rep|agent|"
         "supervisor|client|customer|employee|person|holder|sender|receiver|recipient|"
         "beneficiary|doctor|teacher|instructor|player|attendee|participant|passenger|"
         "patient|driver|candidate|guest|who|emergency contact|provider|nom|staff|interviewer",
     .against =
         "product|company|file|filename|host|hostname|brand|city|town|country|column|table|"
         "event|campaign|project|team|department|dept|school|domain|bank|course|drug|"
         "species|category|item|sku|model|street|state|region|county|node|server|service|"
         "app|device|package|repo|repository|branch|role|group|plan|feature|font|color|"
         "colour|song|album|movie|title|job|position|skill|warehouse|store|vendor|supplier|"
         "currency|language|url|id|code|number|email|date|time|key|airport|ship|"
         "vessel|pet|restaurant|hotel|organisation|organization|org|business|employer|agency|"
         "username|user name|login|nick|nickname|handle|slug|firm|site|station|street name"},
    {.kind = PiiKind::BirthDate,
     .clearly =
         "dob|date of birth|birth date|birthday|birth dt|born|born on|geburtsdatum|geburtstag|"
         "data nascita|data nascimento|geboortedatum|data urodzenia|fodelsedatum|syntymaaika|"
         "date de naissance|fecha de nacimiento|fecha nacimiento|date naissance|data di "
         "nascita|data nascimento|bday|year of birth|birth year|yob|d o b",
     .perhaps = "birth",
     .against = "rate|weight|place|country|city|order|certificate"},
});

constexpr std::string_view kPostal =
    "zip|zip code|postal code|postcode|post code|plz|postleitzahl|code postal|cep|pincode";
constexpr std::string_view kPeople =
    "clienti|cliente|dipendenti|klanten|pracownicy|klienci|anstallda|kunder|personas|socios|"
    "customer|customers|employee|employees|patient|patients|person|persons|people|user|users|"
    "candidate|candidates|worker|workers|contact|contacts|member|members|student|students|"
    "staff|hr|"
    "applicant|applicants|client|clients|subscriber|subscribers|guest|guests|driver|drivers|"
    "payroll|personnel|passenger|passengers|donor|donors|lead|leads|tenant|tenants|borrower|"
    "borrowers|volunteer|volunteers|attendee|attendees|mitarbeiter|kunden|kunde|clientes|"
    "empleados|"
    "salaries|adherents|resident|residents|voter|voters|caller|callers|insured|policyholder|"
    "policyholders";
constexpr std::string_view kThings =
    "product|products|sku|skus|item|items|part|parts|inventory|stock|catalog|vehicle|vehicles|"
    "device|devices|server|servers|company|companies|supplier|suppliers|vendor|vendors|store|"
    "stores|city|cities|country|countries|brand|brands|movie|movies|book|books|song|songs|repo|"
    "repos|package|packages|dependency|dependencies|sensor|sensors|machine|machines|warehouse|"
    "warehouses|airport|airports|hotel|hotels|restaurant|restaurants|campaign|campaigns|price|"
    "upc|ean|manufacturer|team|teams|firmware|release|releases|asset|assets|route|routes";

/// Letters of Latin-1 from U+00C0 on, without their accents.
constexpr std::string_view kWithoutAccents =
    "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty";

std::string plain(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (text[i] == '\xc3' && next >= 0x80 && next < 0xC0) {
      const bool sharp_s = next == 0x9F;
      out += kWithoutAccents[next - 0x80];
      out += sharp_s ? "s" : "";
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

enum class Letter : std::uint8_t { Lower, Upper, Digit, Other };

Letter letter_of(char c) {
  if (c >= 'A' && c <= 'Z') {
    return Letter::Upper;
  }
  if (c >= '0' && c <= '9') {
    return Letter::Digit;
  }
  const bool lower = (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
  return lower ? Letter::Lower : Letter::Other;
}

}  // namespace

std::string words_of(std::string_view original) {
  const std::string without_accents = plain(original);
  const std::string_view name = without_accents;
  std::string out = " ";
  Letter before = Letter::Other;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const Letter now = letter_of(name[i]);
    const bool next_is_lower = i + 1 < name.size() && letter_of(name[i + 1]) == Letter::Lower;
    const bool begins = now == Letter::Other ||
                        (now == Letter::Digit) != (before == Letter::Digit) ||
                        (now == Letter::Upper &&
                         (before == Letter::Lower || (before == Letter::Upper && next_is_lower)));
    if (begins && !out.ends_with(' ')) {
      out += ' ';
    }
    if (now != Letter::Other) {
      out += to_lower(name.substr(i, 1));
    }
    before = now;
  }
  if (!out.ends_with(' ')) {
    out += ' ';
  }
  return out;
}

bool has_phrase(const std::string& words, std::string_view phrases) {
  std::string wanted;
  std::string joined;
  while (!phrases.empty()) {
    const std::string_view phrase = phrases.substr(0, phrases.find('|'));
    phrases.remove_prefix(std::min(phrase.size() + 1, phrases.size()));
    if (phrase.empty()) {
      continue;
    }
    wanted.assign(" ").append(phrase).append(" ");
    if (words.contains(wanted)) {
      return true;
    }
    if (phrase.contains(' ')) {
      joined.assign(" ");
      for (const char c : phrase) {
        joined += c == ' ' ? "" : std::string(1, c);
      }
      joined += ' ';
      if (words.contains(joined)) {
        return true;
      }
    }
  }
  return false;
}

Says name_says(PiiKind kind, const std::string& words) {
  for (const KindPhrases& phrases : kPhrases) {
    if (phrases.kind != kind) {
      continue;
    }
    if (has_phrase(words, phrases.against) || has_phrase(words, kFlags)) {
      // "blood type" says type, and still what it is.
      const bool part_of_it =
          kind == PiiKind::Medical && has_phrase(words, "blood type|health status");
      return part_of_it ? Says::Clearly : Says::Against;
    }
    if (has_phrase(words, phrases.clearly)) {
      return Says::Clearly;
    }
    return has_phrase(words, phrases.perhaps) ? Says::Perhaps : Says::Nothing;
  }
  return Says::Nothing;
}

bool names_postal_code(const std::string& words) {
  return has_phrase(words, kPostal);
}
bool names_people(const std::string& words) {
  return has_phrase(words, kPeople);
}
bool names_things(const std::string& words) {
  return has_phrase(words, kThings);
}

}  // namespace lakehouse::catalog::pii
