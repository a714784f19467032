#include "catalog/detail/pii_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "base/text.h"
#include "catalog/detail/pii_words.h"

namespace lakehouse::catalog::pii {
namespace {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
constexpr bool is_alpha(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z');
}
/// Part of a letter beyond ASCII, in UTF-8.
constexpr bool is_beyond_ascii(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}

/// "(555) 123-4567" -> "(ddd) ddd-dddd"; letters become 'a'.
std::string shape_of(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (is_digit(c)) {
      c = 'd';
    } else if (is_alpha(c)) {
      c = 'a';
    }
  }
  return out;
}

/// The digits, if there is nothing else but `separators`; else nothing.
std::optional<std::string> digits_among(std::string_view text, std::string_view separators) {
  std::string digits;
  for (const char c : text) {
    if (is_digit(c)) {
      digits += c;
    } else if (!separators.contains(c)) {
      return std::nullopt;
    }
  }
  return digits;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

int number_of(std::string_view digits) {
  int value = -1;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool luhn(std::string_view digits) {
  int sum = 0;
  bool doubled = false;
  for (auto at = digits.rbegin(); at != digits.rend(); ++at, doubled = !doubled) {
    const int digit = *at - '0';
    sum += doubled ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit;
  }
  return sum % 10 == 0;
}

bool all_same(std::string_view digits) {
  return std::ranges::all_of(digits, [&](char c) { return c == digits.front(); });
}

/// Remainder of a decimal number of any length.
int remainder_of(std::string_view digits, int divisor) {
  int rest = 0;
  for (const char c : digits) {
    rest = (rest * 10 + (c - '0')) % divisor;
  }
  return rest;
}

// --- Phones.

/// Area and exchange begin with 2 to 9 and are not service codes such as 911.
bool is_north_american(std::string_view digits) {
  if (digits.size() == 13 && digits.starts_with("001")) {
    digits.remove_prefix(3);
  }
  if (digits.size() == 11 && digits.front() == '1') {
    digits.remove_prefix(1);
  }
  return digits.size() == 10 && digits[0] >= '2' && digits[3] >= '2' &&
         digits.substr(1, 2) != "11" && digits.substr(4, 2) != "11";
}

/// "x123", "ext. 123" at the end.
std::string_view without_extension(std::string_view text) {
  const std::size_t mark = text.find_first_of("xXeE");
  if (mark == std::string_view::npos || mark < 7) {
    return text;
  }
  std::string_view tail = text.substr(mark);
  for (const std::string_view word : {"extension", "ext.", "ext", "x", "Ext.", "X"}) {
    if (tail.starts_with(word)) {
      tail.remove_prefix(word.size());
      break;
    }
  }
  while (tail.starts_with(' ')) {
    tail.remove_prefix(1);
  }
  if (!all_digits(tail) || tail.size() > 6) {
    return text;
  }
  text = text.substr(0, mark);
  while (text.ends_with(' ') || text.ends_with(',')) {
    text.remove_suffix(1);
  }
  return text;
}

constexpr std::array kNorthAmericanShapes = std::to_array<std::string_view>({
    "(ddd) ddd-dddd",
    "(ddd)ddd-dddd",
    "ddd-ddd-dddd",
    "ddd.ddd.dddd",
    "d-ddd-ddd-dddd",
    "d.ddd.ddd.dddd",
    "ddd-ddd-ddd-dddd",
    "d (ddd) ddd-dddd",
    "d(ddd)ddd-dddd",
    "ddd ddd-dddd",
    "d ddd-ddd-dddd",
    "ddd/ddd-dddd",
    "(ddd) ddd dddd",
    "d ddd ddd dddd",
    "ddd-ddd dddd",
    "(ddd) ddd.dddd",
});

/// A group of a national number after its 0: "030 1234567", "01 23 45 67 89", "(0151) 23456".
bool is_national(std::string_view text, std::string_view digits) {
  if (text.starts_with('(')) {
    text.remove_prefix(1);
  }
  if (!text.starts_with('0') || digits.size() < 9 || digits.size() > 12 ||
      text.find('.') != std::string_view::npos) {
    return false;
  }
  const std::size_t group = text.find_first_of(" -/)");
  return group != std::string_view::npos && group >= 2 && group <= 6;
}

// --- National ids.

bool is_spanish_dni(std::string_view text) {
  constexpr std::string_view kLetters = "TRWAGMYFPDXBNJZSQVHLCKE";
  std::string digits(text);
  std::erase(digits, '-');
  if (digits.size() != 9 || !is_upper(digits.back())) {
    return false;
  }
  const char letter = digits.back();
  digits.pop_back();
  if (digits.front() >= 'X' && digits.front() <= 'Z') {
    digits.front() = static_cast<char>('0' + (digits.front() - 'X'));
  }
  return all_digits(digits) &&
         kLetters[static_cast<std::size_t>(remainder_of(digits, 23))] == letter;
}

bool is_brazilian_cpf(std::string_view text) {
  const auto digits = digits_among(text, ".-");
  if (!digits || digits->size() != 11 || all_same(*digits)) {
    return false;
  }
  for (const std::size_t length : {std::size_t{9}, std::size_t{10}}) {
    int sum = 0;
    for (std::size_t i = 0; i < length; ++i) {
      sum += ((*digits)[i] - '0') * static_cast<int>(length + 1 - i);
    }
    if (sum * 10 % 11 % 10 != (*digits)[length] - '0') {
      return false;
    }
  }
  return true;
}

bool is_french_nir(std::string_view text) {
  const auto digits = digits_among(text, " ");
  if (!digits || digits->size() != 15 || !std::string_view("1278").contains((*digits)[0])) {
    return false;
  }
  const int month = number_of(std::string_view(*digits).substr(3, 2));
  return month >= 1 && month <= 42 &&
         97 - remainder_of(std::string_view(*digits).substr(0, 13), 97) ==
             number_of(std::string_view(*digits).substr(13));
}

bool is_british_nino(std::string_view text) {
  std::string plain(text);
  std::erase(plain, ' ');
  constexpr std::string_view kNotFirst = "DFIQUV";
  constexpr std::string_view kNotSecond = "DFIOQUV";
  return shape_of(plain) == "aadddddda" && is_upper(plain[0]) && is_upper(plain[1]) &&
         !kNotFirst.contains(plain[0]) && !kNotSecond.contains(plain[1]) && plain[8] >= 'A' &&
         plain[8] <= 'D';
}

bool is_canadian_sin(std::string_view text) {
  const std::string shape = shape_of(text);
  if (shape != "ddd ddd ddd" && shape != "ddd-ddd-ddd") {
    return false;
  }
  const auto digits = digits_among(text, " -");
  return luhn(*digits) && (*digits)[0] != '8' && !all_same(*digits);
}

bool is_italian_fiscal_code(std::string_view text) {
  return shape_of(text) == "aaaaaaddaddaddda" && std::string_view("ABCDEHLMPRST").contains(text[8]);
}

/// Eleven digits by ISO 7064, MOD 11,10.
bool is_german_tax_id(std::string_view text) {
  const auto digits = digits_among(text, " ");
  if (!digits || digits->size() != 11 || digits->front() == '0' || all_same(*digits)) {
    return false;
  }
  int product = 10;
  for (std::size_t i = 0; i < 10; ++i) {
    int sum = ((*digits)[i] - '0' + product) % 10;
    sum = sum == 0 ? 10 : sum;
    product = sum * 2 % 11;
  }
  return (11 - product) % 10 == digits->back() - '0';
}

// --- Banks.

struct IbanCountry {
  std::string_view country;
  std::size_t length;
};
constexpr std::array kIbanCountries = std::to_array<IbanCountry>({
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22},
    {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27},
    {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28},
    {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20},
    {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"MC", 27}, {"MD", 24},
    {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NL", 18}, {"NO", 15}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"SA", 24}, {"SC", 31},
    {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"ST", 25}, {"SV", 28}, {"TL", 23}, {"TN", 24},
    {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
});

// --- Words.

/// Calls `take` with each word, in lower case, until it returns true; true if one did.
template <class Take>
bool any_word(std::string_view text, const Take& take) {
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    if (is_alpha(c) || is_beyond_ascii(c)) {
      word += is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c;
    } else if (!word.empty()) {
      if (take(word)) {
        return true;
      }
      word.clear();
    }
  }
  return false;
}

bool has_digit(std::string_view text) {
  return std::ranges::any_of(text, is_digit);
}

/// A city's line: ", TX 78701", "10115 Berlin".
bool has_state_and_zip(std::string_view text) {
  const std::string shape = shape_of(text);
  return shape.find(", aa ddddd") != std::string::npos;
}

int days_in(int month) {
  constexpr std::array<int, 13> kDays = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month >= 1 && month <= 12 ? kDays[static_cast<std::size_t>(month)] : 0;
}

constexpr int kBirthYearMin = 1900;
constexpr int kBirthYearMax = 2030;

bool is_birth_day(int year, int month, int day) {
  return year >= kBirthYearMin && year <= kBirthYearMax && day >= 1 && day <= days_in(month);
}

}  // namespace

bool is_email(std::string_view text) {
  if (text.size() < 6 || text.size() > 254) {
    return false;
  }
  const std::size_t at = text.find('@');
  if (at == 0 || at == std::string_view::npos || at > 64 ||
      text.find('@', at + 1) != std::string_view::npos) {
    return false;
  }
  const auto local_char = [](char c) {
    return is_alpha(c) || is_digit(c) || is_beyond_ascii(c) ||
           std::string_view(".!#$%&'*+/=?^_`{|}~-").contains(c);
  };
  if (!std::ranges::all_of(text.substr(0, at), local_char)) {
    return false;
  }
  const std::string_view domain = text.substr(at + 1);
  const std::size_t dot = domain.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || domain.contains("..")) {
    return false;
  }
  const auto domain_char = [](char c) {
    return is_alpha(c) || is_digit(c) || is_beyond_ascii(c) || c == '-' || c == '.';
  };
  const std::string top = to_lower(domain.substr(dot + 1));
  return std::ranges::all_of(domain, domain_char) && top.size() >= 2 && top.size() <= 24 &&
         std::ranges::all_of(top, [](char c) { return is_alpha(c) || is_beyond_ascii(c); }) &&
         !is_file_extension(top);
}

Fit phone(std::string_view text) {
  text = without_extension(text);
  const bool international = text.starts_with('+');
  const auto digits = digits_among(international ? text.substr(1) : text, " -.()/");
  if (!digits || digits->size() < 7 || digits->size() > 15 || all_same(*digits)) {
    return Fit::No;
  }
  if (international) {
    return digits->front() != '0' && digits->size() >= 8 ? Fit::Strong : Fit::Shape;
  }
  const std::string shape = shape_of(text);
  if (std::ranges::find(kNorthAmericanShapes, shape) != kNorthAmericanShapes.end()) {
    return is_north_american(*digits) ? Fit::Strong : Fit::Shape;
  }
  // What else is written in groups of digits: dates, ZIP+4, cards, ISBN.
  if (shape == "dddd-dd-dd" || shape == "dd.dd.dddd" || shape == "dd/dd/dddd" ||
      shape == "ddddd-dddd" || shape == "ddd-dd-dddd" || text.starts_with("978-") ||
      text.starts_with("979-") || shape == "d.ddddddd") {
    return Fit::No;
  }
  return Fit::Weak;
}

bool is_national_phone(std::string_view text) {
  text = without_extension(text);
  const auto digits = digits_among(text, " -()/");
  return digits && is_national(text, *digits);
}

Fit ssn(std::string_view text) {
  const std::string shape = shape_of(text);
  const bool grouped = shape == "ddd-dd-dddd" || shape == "ddd dd dddd";
  if (!grouped && shape != "ddddddddd") {
    return Fit::No;
  }
  const std::string digits = digits_among(text, "- ").value_or("");
  const std::string_view all = digits;
  if (all.starts_with("000") || all.starts_with("666") || all.starts_with('9') ||
      all.substr(3, 2) == "00" || all.substr(5) == "0000") {
    return Fit::Shape;
  }
  return grouped ? Fit::Strong : Fit::Weak;
}

std::string_view national_id(std::string_view text) {
  if (is_british_nino(text)) {
    return "NINO";
  }
  if (is_spanish_dni(text)) {
    return "DNI";
  }
  if (is_italian_fiscal_code(text)) {
    return "codice fiscale";
  }
  if (is_brazilian_cpf(text)) {
    return "CPF";
  }
  if (is_french_nir(text)) {
    return "NIR";
  }
  if (is_german_tax_id(text)) {
    return "Steuer-ID";
  }
  return is_canadian_sin(text) ? "SIN" : std::string_view();
}

Fit card(std::string_view text) {
  const auto digits = digits_among(text, " -");
  if (!digits || digits->size() < 13 || digits->size() > 19 || !is_digit(text.front())) {
    return Fit::No;
  }
  const std::string_view all = *digits;
  const std::size_t n = all.size();
  const int two = number_of(all.substr(0, 2));
  const int four = number_of(all.substr(0, 4));
  const bool issued = (all[0] == '4' && (n == 13 || n == 16 || n == 19)) ||
                      (n == 16 && ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) ||
                                   four == 6011 || two == 65 || (four >= 6440 && four <= 6499) ||
                                   (four >= 3528 && four <= 3589))) ||
                      (n == 15 && (two == 34 || two == 37)) ||
                      (n == 14 && (two == 36 || two == 38 || (four >= 3000 && four <= 3059))) ||
                      (two == 62 && n >= 16) ||
                      (n >= 13 && (two == 50 || (two >= 56 && two <= 58) || four == 6304 ||
                                   four == 6759 || (four >= 6761 && four <= 6763)));
  return issued && luhn(all) && !all_same(all) ? Fit::Strong : Fit::Shape;
}

bool is_iban(std::string_view text) {
  std::string plain(text);
  std::erase(plain, ' ');
  std::erase(plain, '-');
  if (plain.size() < 15 || plain.size() > 34) {
    return false;
  }
  for (char& c : plain) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  }
  const auto country = std::ranges::find(kIbanCountries, std::string_view(plain).substr(0, 2),
                                         &IbanCountry::country);
  if (country == kIbanCountries.end() || country->length != plain.size()) {
    return false;
  }
  std::string digits;
  for (const char c : plain.substr(4) + plain.substr(0, 4)) {
    if (is_digit(c)) {
      digits += c;
    } else if (is_upper(c)) {
      digits += std::to_string(c - 'A' + 10);
    } else {
      return false;
    }
  }
  return remainder_of(digits, 97) == 1;
}

bool is_aba_routing(std::string_view text) {
  if (text.size() != 9 || !all_digits(text) || all_same(text)) {
    return false;
  }
  const int district = number_of(text.substr(0, 2));
  const bool issued = district <= 12 || (district >= 21 && district <= 32) ||
                      (district >= 61 && district <= 72) || district == 80;
  constexpr std::array<int, 9> kWeights = {3, 7, 1, 3, 7, 1, 3, 7, 1};
  int sum = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    sum += (text[i] - '0') * kWeights[i];
  }
  return issued && sum % 10 == 0;
}

bool is_bic(std::string_view text) {
  return (text.size() == 8 || text.size() == 11) &&
         std::ranges::all_of(text.substr(0, 6), is_upper) &&
         std::ranges::all_of(text, [](char c) { return is_upper(c) || is_digit(c); });
}

bool is_street_address(std::string_view text) {
  if (text.size() < 6 || !has_digit(text) || text.contains("://") || text.contains('@')) {
    return false;
  }
  int words = 0;
  bool street = false;
  any_word(text, [&](const std::string& word) {
    ++words;
    street = street || is_street_word(word);
    return false;
  });
  return words >= 2 ? street || has_state_and_zip(text) : street && text.contains(' ');
}

bool is_postal_code(std::string_view text) {
  const std::string shape = shape_of(text);
  constexpr std::array kShapes = std::to_array<std::string_view>(
      {"ddddd", "ddddd-dddd", "dddd", "dddddd", "ada dad", "adadad", "ad daa", "add daa", "aad daa",
       "aadd daa", "ada daa", "aada daa", "dddd aa", "ddddd-ddd", "ddd dd", "dd-ddd", "ddd-dddd"});
  return std::ranges::find(kShapes, shape) != kShapes.end();
}

bool is_icd10(std::string_view text, bool* dotted) {
  *dotted = text.size() > 3 && text[3] == '.';
  if (text.size() < 3 || text.size() > 8 || !is_upper(text[0]) || text[0] == 'U' ||
      !is_digit(text[1]) || !(is_digit(text[2]) || text[2] == 'A' || text[2] == 'B')) {
    return false;
  }
  std::string_view rest = text.substr(3);
  if (*dotted) {
    rest.remove_prefix(1);
    if (rest.empty()) {
      return false;
    }
  }
  return rest.size() <= 4 &&
         std::ranges::all_of(rest, [](char c) { return is_digit(c) || is_upper(c); });
}

bool is_blood_type(std::string_view text) {
  constexpr std::array kTypes = std::to_array<std::string_view>(
      {"A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-", "0+", "0-", "A", "B", "AB", "O", "0"});
  return std::ranges::find(kTypes, text) != kTypes.end();
}

bool has_medical_term(std::string_view text) {
  return any_word(text, is_medical_word);
}

bool is_amount(std::string_view text, double* value) {
  std::string digits;
  for (const std::string_view mark : {"USD", "EUR", "GBP", "CHF", "\u20ac", "\u00a3", "$"}) {
    if (text.starts_with(mark)) {
      text.remove_prefix(mark.size());
    }
  }
  while (text.starts_with(' ')) {
    text.remove_prefix(1);
  }
  std::size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || std::string_view(".,' ").contains(text[at]));
       ++at) {
    if (is_digit(text[at]) || text[at] == '.') {
      digits += text[at];
    }
  }
  if (at == 0 || digits.empty() || text.size() - at > 12) {
    return false;
  }
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), *value);
  if (problem != std::errc()) {
    return false;
  }
  if (at < text.size() && (text[at] == 'k' || text[at] == 'K')) {
    *value *= 1000;
    ++at;
  }
  const std::string_view unit = text.substr(at);
  return unit.empty() || unit.starts_with('/') || unit.starts_with('\xe2') ||
         unit.starts_with('\xc2') || unit.starts_with("EUR") || unit.starts_with("USD") ||
         unit.starts_with("GBP") || unit.starts_with("per ") || unit.starts_with("e+");
}

bool is_birth_date(std::string_view text) {
  if (text.size() == 4 && all_digits(text)) {
    const int year = number_of(text);
    return year >= kBirthYearMin && year <= kBirthYearMax;
  }
  if (text.size() < 8) {
    return false;
  }
  // What comes after the day is its time.
  const std::string_view day = text.substr(0, std::min(text.find_first_of("T "), std::size_t{10}));
  const std::string shape = shape_of(day);
  const auto at = [&](std::size_t from, std::size_t count) {
    return number_of(day.substr(from, count));
  };
  if (shape == "dddd-dd-dd" || shape == "dddd/dd/dd" || shape == "dddd.dd.dd") {
    return is_birth_day(at(0, 4), at(5, 2), at(8, 2));
  }
  if (shape == "dd/dd/dddd" || shape == "dd-dd-dddd" || shape == "dd.dd.dddd") {
    return is_birth_day(at(6, 4), at(0, 2), at(3, 2)) || is_birth_day(at(6, 4), at(3, 2), at(0, 2));
  }
  if (shape == "dddddddd") {
    return is_birth_day(at(0, 4), at(4, 2), at(6, 2));
  }
  return shape.ends_with("/dddd") &&
         (shape == "d/d/dddd" || shape == "d/dd/dddd" || shape == "dd/d/dddd") &&
         at(day.size() - 4, 4) >= kBirthYearMin && at(day.size() - 4, 4) <= kBirthYearMax;
}

bool is_name_shaped(std::string_view text) {
  if (text.size() < 2 || text.size() > 60) {
    return false;
  }
  int words = 0;
  std::size_t letters = 0;
  bool at_start = true;
  bool capitalised = false;
  for (const char c : text) {
    if (is_alpha(c) || is_beyond_ascii(c)) {
      if (at_start) {
        ++words;
        capitalised = capitalised || is_upper(c) || is_beyond_ascii(c);
        at_start = false;
      }
      ++letters;
    } else if (c == ' ' || c == ',') {
      at_start = true;
    } else if (c != '\'' && c != '-' && c != '.') {
      return false;
    }
  }
  return words >= 1 && words <= 5 && capitalised && letters * 10 >= text.size() * 7;
}

bool has_known_given_name(std::string_view text) {
  int seen = 0;
  return any_word(text,
                  [&](const std::string& word) { return ++seen <= 3 && is_given_name(word); });
}

bool has_known_family_name(std::string_view text) {
  return any_word(text, is_family_name);
}

Inside look_inside(std::string_view text) {
  Inside inside;
  // Words between blanks and brackets; numbers as runs of digits and what may separate them.
  constexpr std::string_view kAround = " \t\r\n,;:<>()[]{}\"'|=";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = text.find_first_not_of(kAround, at);
    if (from == std::string_view::npos) {
      break;
    }
    const std::size_t to = std::min(text.find_first_of(kAround, from), text.size());
    std::string_view word = text.substr(from, to - from);
    while (word.ends_with('.') || word.ends_with('!') || word.ends_with('?')) {
      word.remove_suffix(1);
    }
    inside.email = inside.email || (is_email(word) && !word.starts_with("git@"));
    inside.ssn = inside.ssn || (word.size() == 11 && ssn(word) == Fit::Strong);
    inside.iban = inside.iban || is_iban(word);
    at = to;
  }
  constexpr std::string_view kInNumber = "0123456789+-. ()";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = text.find_first_of("0123456789+(", at);
    if (from == std::string_view::npos) {
      break;
    }
    const std::size_t to = std::min(text.find_first_not_of(kInNumber, from), text.size());
    std::string_view run = text.substr(from, to - from);
    while (!run.empty() && std::string_view("+-. (").contains(run.back())) {
      run.remove_suffix(1);
    }
    const std::size_t end = from + run.size();
    const auto in_word = [](char c) { return is_alpha(c) || c == '_'; };
    const bool alone =
        (from == 0 || !in_word(text[from - 1])) && (end == text.size() || !in_word(text[end]));
    if (alone && !run.empty()) {
      inside.phone = inside.phone || phone(run) == Fit::Strong;
      const Fit fit = card(run);
      inside.cards += fit == Fit::Strong ? 1 : 0;
      inside.card_shaped += fit != Fit::No ? 1 : 0;
    }
    at = to + 1;
  }
  return inside;
}

}  // namespace lakehouse::catalog::pii
