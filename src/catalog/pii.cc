#include "catalog/pii.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "catalog/detail/pii_names.h"
#include "catalog/detail/pii_values.h"

namespace lakehouse::catalog {
namespace {

using pii::Fit;
using pii::Says;

constexpr double kConfidenceMin = 0.5;
constexpr double kConfidenceMax = 0.99;
/// Fewer different values prove little without a name that says the same.
constexpr double kValuesMin = 8;
/// What a name alone is worth where there are no values to look at.
constexpr double kByNameOnly = 0.55;

struct KindInfo {
  PiiKind kind;
  std::string_view name;
  Sensitivity sensitivity;
};
constexpr std::array kKinds = std::to_array<KindInfo>({
    {PiiKind::Email, "email", Sensitivity::Confidential},
    {PiiKind::Phone, "phone", Sensitivity::Confidential},
    {PiiKind::Ssn, "ssn", Sensitivity::Restricted},
    {PiiKind::Salary, "salary", Sensitivity::Confidential},
    {PiiKind::Address, "address", Sensitivity::Confidential},
    {PiiKind::Medical, "medical", Sensitivity::Restricted},
    {PiiKind::Card, "card", Sensitivity::Restricted},
    {PiiKind::BankAccount, "bank_account", Sensitivity::Restricted},
    {PiiKind::PersonName, "person_name", Sensitivity::Confidential},
    {PiiKind::BirthDate, "birth_date", Sensitivity::Confidential},
});

const KindInfo& info_of(PiiKind kind) {
  return *std::ranges::find(kKinds, kind, &KindInfo::kind);
}

/// What stands around a column.
struct Surroundings {
  bool people = false;   ///< The table lists people.
  bool things = false;   ///< The table lists products, places, machines.
  bool banking = false;  ///< Another column is about bank accounts.
  bool health = false;   ///< Another column, or the table, is about patients.
};

/// How many of a column's different values are what.
struct Counts {
  double all = 0;
  double email = 0;
  double phone = 0;           ///< Unmistakable ones.
  double phone_national = 0;  ///< Beginning with 0, in groups.
  double phone_weak = 0;      ///< Any number of that length.
  double phone_wrong = 0;     ///< Written like one, with an area that there is not.
  double ssn = 0;
  double ssn_plain = 0;  ///< Nine digits.
  double ssn_wrong = 0;
  std::map<std::string_view, double> national;
  double card = 0;
  double card_shaped = 0;
  double iban = 0;
  double routing = 0;
  double bic = 0;
  double account = 0;  ///< Some digits, perhaps in groups.
  double id_like = 0;  ///< Six digits or more, and not much else.
  double street = 0;
  double postal = 0;
  double two_part = 0;  ///< Digits and letters, in several words.
  double icd = 0;
  double icd_dotted = 0;
  double blood = 0;
  bool blood_o_or_ab = false;
  double medical_term = 0;
  std::set<char> icd_chapters;
  std::set<std::size_t> icd_lengths;  ///< A shop's codes are all of one length.
  double amount = 0;
  double amount_max = 0;
  double birth = 0;
  double name_shaped = 0;
  double two_words = 0;
  double given = 0;
  double family = 0;
  // Within longer texts.
  double texts = 0;
  double inside_email = 0;
  double inside_phone = 0;
  double inside_ssn = 0;
  double inside_iban = 0;
  double inside_cards = 0;
  double inside_card_shaped = 0;
};

bool is_account_number(std::string_view text) {
  std::size_t digits = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (c != ' ' && c != '-') {
      return false;
    }
  }
  return digits >= 6 && digits <= 18;
}

bool is_id_like(std::string_view text) {
  const auto digits = std::ranges::count_if(text, [](char c) { return c >= '0' && c <= '9'; });
  return digits >= 6 && text.size() <= 20;
}

void count_health(std::string_view value, Counts* counts) {
  bool dotted = false;
  if (pii::is_icd10(value, &dotted)) {
    ++counts->icd;
    counts->icd_dotted += dotted ? 1 : 0;
    counts->icd_chapters.insert(value.front());
    counts->icd_lengths.insert(value.size());
  }
  if (pii::is_blood_type(value)) {
    ++counts->blood;
    counts->blood_o_or_ab = counts->blood_o_or_ab || "AB" == value.substr(0, 2) || value[0] == 'O';
  }
  counts->medical_term += pii::has_medical_term(value) ? 1 : 0;
}

void count_numbers(std::string_view value, Counts* counts) {
  switch (pii::phone(value)) {
    case Fit::Strong: ++counts->phone; break;
    case Fit::Weak: ++counts->phone_weak; break;
    case Fit::Shape: ++counts->phone_wrong; break;
    case Fit::No: break;
  }
  counts->phone_national += pii::is_national_phone(value) ? 1 : 0;
  switch (pii::ssn(value)) {
    case Fit::Strong: ++counts->ssn; break;
    case Fit::Weak: ++counts->ssn_plain; break;
    case Fit::Shape: ++counts->ssn_wrong; break;
    case Fit::No: break;
  }
  if (const std::string_view name = pii::national_id(value); !name.empty()) {
    ++counts->national[name];
  }
  const Fit card = pii::card(value);
  counts->card += card == Fit::Strong ? 1 : 0;
  counts->card_shaped += card != Fit::No ? 1 : 0;
  counts->iban += pii::is_iban(value) ? 1 : 0;
  counts->routing += pii::is_aba_routing(value) ? 1 : 0;
  counts->account += is_account_number(value) ? 1 : 0;
  counts->id_like += is_id_like(value) ? 1 : 0;
  double amount = 0;
  if (pii::is_amount(value, &amount)) {
    ++counts->amount;
    counts->amount_max = std::max(counts->amount_max, amount);
  }
}

void count_words(std::string_view value, Counts* counts) {
  counts->email += pii::is_email(value) ? 1 : 0;
  counts->bic += pii::is_bic(value) ? 1 : 0;
  counts->street += pii::is_street_address(value) ? 1 : 0;
  const bool digit = std::ranges::any_of(value, [](char c) { return c >= '0' && c <= '9'; });
  const bool blank = value.contains(' ');
  counts->two_part += digit && blank ? 1 : 0;
  if (pii::is_name_shaped(value)) {
    ++counts->name_shaped;
    counts->two_words += blank ? 1 : 0;
    counts->given += pii::has_known_given_name(value) ? 1 : 0;
    counts->family += pii::has_known_family_name(value) ? 1 : 0;
  }
  if (blank || value.size() > 40) {
    const pii::Inside inside = pii::look_inside(value);
    ++counts->texts;
    counts->inside_email += inside.email ? 1 : 0;
    counts->inside_phone += inside.phone ? 1 : 0;
    counts->inside_ssn += inside.ssn ? 1 : 0;
    counts->inside_iban += inside.iban ? 1 : 0;
    counts->inside_cards += inside.cards;
    counts->inside_card_shaped += inside.card_shaped;
  }
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) {
    return {};
  }
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

Counts count(const PiiColumn& column) {
  std::set<std::string_view> different;
  for (const std::string& value : column.values) {
    const std::string_view text = trimmed(value);
    if (!text.empty() && different.size() < kPiiValuesMax) {
      different.insert(text.substr(0, kPiiValueBytesMax));
    }
  }
  Counts counts;
  counts.all = static_cast<double>(different.size());
  for (const std::string_view value : different) {
    count_numbers(value, &counts);
    counts.birth += pii::is_birth_date(value) ? 1 : 0;
    counts.postal += pii::is_postal_code(value) ? 1 : 0;
    if (column.type == PiiType::Text) {
      count_health(value, &counts);
      count_words(value, &counts);
    }
  }
  return counts;
}

/// What a rule comes to: a confidence and why.
struct Verdict {
  double confidence = 0;
  std::string reason;
  bool inside_texts = false;
};

std::string percent(double share) {
  return std::to_string(static_cast<int>(share * 100)) + " %";
}

std::string share_of(double share, std::string_view what) {
  return percent(share) + " of the values " + std::string(what);
}

/// Judges one column for one kind after the other.
class Judge {
 public:
  Judge(const PiiColumn& column, const Surroundings& around)
      : column_(column), around_(around), words_(pii::words_of(column.name)), n_(count(column)) {}

  std::optional<PiiFinding> find(PiiKind kind) {
    says_ = pii::name_says(kind, words_);
    const Verdict verdict = n_.all == 0 ? by_name(kind) : by_values(kind);
    if (verdict.confidence < kConfidenceMin) {
      return std::nullopt;
    }
    PiiFinding finding;
    finding.column = column_.name;
    finding.field_id = column_.field_id;
    finding.kind = kind;
    finding.confidence = std::round(std::min(verdict.confidence, kConfidenceMax) * 100) / 100;
    finding.reason = verdict.reason;
    finding.inside_texts = verdict.inside_texts;
    finding.sample_size = static_cast<std::int64_t>(column_.values.size());
    return finding;
  }

 private:
  [[nodiscard]] double share(double of) const { return of / n_.all; }
  [[nodiscard]] bool clearly() const { return says_ == Says::Clearly; }
  [[nodiscard]] bool perhaps() const { return says_ == Says::Perhaps || clearly(); }
  [[nodiscard]] bool against() const { return says_ == Says::Against; }
  [[nodiscard]] bool enough() const { return n_.all >= kValuesMin; }
  [[nodiscard]] bool is_text() const { return column_.type == PiiType::Text; }
  [[nodiscard]] std::string named(std::string_view what) const {
    return clearly() ? std::string(what) + ", and the column's name says so" : std::string(what);
  }
  /// Values that are `sure` of themselves: nearly as sure as their share; a name adds to it.
  [[nodiscard]] Verdict strong(double base, double share, std::string_view what) const {
    const double few = enough() || perhaps() ? 0 : 0.25;
    return {base + (kConfidenceMax - base) * share + (clearly() ? 0.05 : 0) - few,
            named(share_of(share, what))};
  }

  [[nodiscard]] Verdict by_name(PiiKind kind) const {
    const bool fits = kind == PiiKind::BirthDate ? column_.type != PiiType::Bool
                      : kind == PiiKind::Salary
                          ? column_.type != PiiType::Date && column_.type != PiiType::Bool
                          : column_.type != PiiType::Date;
    return clearly() && fits ? Verdict{kByNameOnly, "the column's name; there are no values yet"}
                             : Verdict{};
  }

  Verdict by_values(PiiKind kind) {
    switch (kind) {
      case PiiKind::Email: return email();
      case PiiKind::Phone: return phone();
      case PiiKind::Ssn: return ssn();
      case PiiKind::Salary: return salary();
      case PiiKind::Address: return address();
      case PiiKind::Medical: return medical();
      case PiiKind::Card: return card();
      case PiiKind::BankAccount: return bank_account();
      case PiiKind::PersonName: return person_name();
      case PiiKind::BirthDate: return birth_date();
    }
    return {};
  }

  /// Something of one per cent of longer texts, and at least two.
  [[nodiscard]] Verdict inside(double hits, std::string_view what) const {
    if (hits < 2 || hits < n_.all * 0.01) {
      return {};
    }
    return {0.6 + 0.3 * std::min(1.0, hits / n_.all * 2),
            std::to_string(static_cast<int>(hits)) + " of " +
                std::to_string(static_cast<int>(n_.all)) + " texts contain " + std::string(what),
            true};
  }

  [[nodiscard]] Verdict email() const {
    const double whole = share(n_.email);
    if (whole >= 0.5 || (clearly() && whole >= 0.1)) {
      return strong(0.8, whole, "are e-mail addresses");
    }
    return inside(n_.inside_email + n_.email, "e-mail addresses");
  }

  [[nodiscard]] Verdict phone() const {
    const double sure = share(n_.phone);
    const double any = share(n_.phone + n_.phone_weak + n_.phone_wrong);
    if (clearly() && any >= 0.6) {
      return {0.85 + 0.1 * sure, named(share_of(any, "are written as telephone numbers"))};
    }
    const double national = share(std::max(n_.phone, n_.phone_national));
    if (!against() && is_text() && national >= 0.9 && (perhaps() || around_.people) && enough()) {
      return {0.75, share_of(national, "are written as telephone numbers")};
    }
    // An area code that does not exist says that it is another kind of number.
    const bool plausible = n_.phone_wrong <= 0.05 * (n_.phone + n_.phone_wrong);
    if (!against() && is_text() && sure >= 0.7 && plausible) {
      return strong(0.75, sure, "are telephone numbers");
    }
    return against() || sure >= 0.5 ? Verdict{} : inside(n_.inside_phone, "telephone numbers");
  }

  [[nodiscard]] Verdict ssn() const {
    const double shaped = n_.ssn + n_.ssn_plain + n_.ssn_wrong;
    const double valid = share(n_.ssn + n_.ssn_plain);
    if (clearly() && (valid >= 0.6 || share(shaped) >= 0.8)) {
      return strong(0.85, valid, "are valid social security numbers");
    }
    if (perhaps() && share(n_.ssn) >= 0.6) {
      return strong(0.8, valid, "are valid social security numbers");
    }
    // Any three-two-four group would also begin with 9 or 666 at times.
    if (!against() && share(n_.ssn) >= 0.8 && n_.ssn_wrong <= 0.02 * shaped && n_.ssn_plain == 0) {
      return strong(enough() ? 0.8 : 0.75, share(n_.ssn), "are valid social security numbers");
    }
    for (const auto& [name, found] : n_.national) {
      if (share(found) >= 0.8 && !against() && (enough() || perhaps())) {
        return strong(0.75, share(found), std::string("are valid national numbers: ").append(name));
      }
    }
    if (clearly() && share(n_.id_like) >= 0.8) {
      return {0.75, "the column's name, and its values are numbers as ids have"};
    }
    return inside(against() ? 0 : n_.inside_ssn, "social security numbers");
  }

  [[nodiscard]] Verdict salary() const {
    const bool plausible = column_.type != PiiType::Date && column_.type != PiiType::Bool &&
                           share(n_.amount) >= 0.85 && n_.amount_max >= 5 && n_.amount_max <= 1e9;
    if (!plausible || !perhaps()) {
      return {};
    }
    if (clearly()) {
      return {0.9, "the column's name, and its values are amounts"};
    }
    return around_.people && !around_.things
               ? Verdict{0.65, "the column's name in a table of people; its values are amounts"}
               : Verdict{};
  }

  [[nodiscard]] Verdict address() const {
    const double streets = share(n_.street);
    if (!against() && streets >= 0.5) {
      return strong(0.75, streets, "are street addresses");
    }
    if (clearly() && (streets >= 0.2 || share(n_.two_part) >= 0.6)) {
      return {0.85, "the column's name, and values of numbers and words as addresses have"};
    }
    if (clearly() && pii::has_phrase(words_, "street|strasse|rue|calle") &&
        share(n_.name_shaped) >= 0.7) {
      return {0.65, "the column's name, and its values are names"};
    }
    if (pii::names_postal_code(words_) && around_.people && !around_.things &&
        share(n_.postal) >= 0.8) {
      return {0.6, share_of(share(n_.postal), "are postal codes, in a table of people")};
    }
    return {};
  }

  [[nodiscard]] Verdict medical() const {
    const double icd = share(n_.icd);
    if (against()) {
      return {};
    }
    if (column_.type == PiiType::Bool || column_.type == PiiType::Date) {
      return clearly() ? Verdict{0.8, "the column's name"} : Verdict{};
    }
    if (perhaps() && icd >= 0.7) {
      return {0.97, named(share_of(icd, "are ICD-10 codes"))};
    }
    if (clearly()) {
      return {0.85 + 0.1 * share(n_.medical_term), "the column's name says what it is about"};
    }
    const double terms = share(n_.medical_term);
    if (terms >= (perhaps() || around_.health ? 0.15 : 0.4)) {
      return {std::min(0.95, 0.65 + 0.4 * terms), share_of(terms, "name illnesses or medicines")};
    }
    if (share(n_.blood) == 1 && n_.blood_o_or_ab && n_.all >= 3) {
      return {0.8, "all values are blood types"};
    }
    if (icd >= 0.95 && n_.icd_dotted >= 0.3 * n_.all && n_.icd_chapters.size() >= 4 &&
        n_.icd_lengths.size() >= 2 && enough()) {
      return {0.7, share_of(icd, "are ICD-10 codes")};
    }
    return says_ == Says::Perhaps && around_.health
               ? Verdict{0.6, "the column's name in a table of patients"}
               : Verdict{};
  }

  [[nodiscard]] Verdict card() const {
    const double valid = share(n_.card);
    if (valid >= (perhaps() ? 0.4 : 0.6) && n_.card >= 0.7 * n_.card_shaped) {
      return strong(0.85, valid, "are card numbers with a right checksum");
    }
    const bool checked = n_.inside_cards >= 0.8 * n_.inside_card_shaped;
    return checked && !against() && valid == 0
               ? inside(n_.inside_cards, "card numbers with a right checksum")
               : Verdict{};
  }

  [[nodiscard]] Verdict bank_account() const {
    const double iban = share(n_.iban);
    if (iban >= 0.5) {
      return strong(0.85, iban, "are IBANs with a right checksum");
    }
    if (n_.inside_iban >= 2) {
      return inside(n_.inside_iban, "IBANs with a right checksum");
    }
    const double routing = share(n_.routing);
    if (clearly() && routing >= 0.6) {
      return strong(0.85, routing, "are routing numbers with a right checksum");
    }
    if (!against() && routing >= 0.98 && n_.all >= 20) {
      return {0.8, share_of(routing, "are routing numbers with a right checksum")};
    }
    if (clearly() && (share(n_.account) >= 0.8 || (is_text() && share(n_.bic) >= 0.8))) {
      return {0.85, "the column's name, and its values are written as bank details"};
    }
    return says_ == Says::Perhaps && around_.banking && share(n_.account) >= 0.8
               ? Verdict{0.75, "numbers as accounts have them, beside bank details"}
               : Verdict{};
  }

  [[nodiscard]] Verdict person_name() const {
    if (!is_text() || against()) {
      return {};
    }
    const double shaped = share(n_.name_shaped);
    const double known = share(std::max(n_.given, n_.family));
    const std::string reason = share_of(known, "hold common names of people");
    if (clearly() && shaped >= 0.7) {
      return {0.8 + 0.19 * known, named(reason)};
    }
    if (perhaps() && shaped >= 0.7 && known >= 0.35) {
      return {0.75 + 0.2 * known, reason};
    }
    if (perhaps() && around_.people && !around_.things && shaped >= 0.8 && known >= 0.15) {
      return {0.65, reason + ", in a table of people"};
    }
    // Two parts that are both common are hardly a brand or a place.
    if (shaped >= 0.8 && known >= 0.6 && enough() &&
        (share(n_.two_words) >= 0.6 || (around_.people && !around_.things))) {
      return {0.55 + 0.3 * known, reason};
    }
    return {};
  }

  [[nodiscard]] Verdict birth_date() const {
    const bool dates = column_.type == PiiType::Date || share(n_.birth) >= 0.8;
    if (!dates || share(n_.birth) < 0.7 || column_.type == PiiType::Number) {
      return {};
    }
    if (clearly()) {
      return {0.95, "the column's name, and its values are days on which people were born"};
    }
    return says_ == Says::Perhaps && around_.people
               ? Verdict{0.7, "the column's name in a table of people"}
               : Verdict{};
  }

  const PiiColumn& column_;
  const Surroundings& around_;
  std::string words_;
  Counts n_;
  Says says_ = Says::Nothing;
};

Surroundings surroundings_of(std::string_view dataset, std::span<const PiiColumn> columns) {
  const std::string table = pii::words_of(dataset);
  Surroundings around;
  around.things = pii::names_things(table);
  around.people = pii::names_people(table);
  around.health = pii::has_phrase(table, "patient|patients|clinic|hospital|encounters|admissions");
  for (const PiiColumn& column : columns) {
    const std::string words = pii::words_of(column.name);
    const auto clearly = [&](PiiKind kind) { return pii::name_says(kind, words) == Says::Clearly; };
    around.people = around.people || clearly(PiiKind::PersonName) || clearly(PiiKind::Ssn) ||
                    clearly(PiiKind::BirthDate);
    around.banking = around.banking || clearly(PiiKind::BankAccount);
    around.health = around.health || clearly(PiiKind::Medical) ||
                    pii::has_phrase(words, "patient|patient id|mrn");
  }
  return around;
}

}  // namespace

std::string_view to_string(PiiKind kind) {
  return info_of(kind).name;
}

std::optional<PiiKind> pii_kind_from(std::string_view name) {
  const auto found = std::ranges::find(kKinds, name, &KindInfo::name);
  return found == kKinds.end() ? std::nullopt : std::optional(found->kind);
}

Sensitivity sensitivity_of(PiiKind kind) {
  return info_of(kind).sensitivity;
}

std::vector<PiiFinding> detect_pii(std::string_view dataset, std::span<const PiiColumn> columns) {
  const Surroundings around = surroundings_of(dataset, columns);
  std::vector<PiiFinding> out;
  for (const PiiColumn& column : columns) {
    if (column.type == PiiType::Other) {
      continue;
    }
    Judge judge(column, around);
    std::vector<PiiFinding> found;
    for (const KindInfo& info : kKinds) {
      if (auto finding = judge.find(info.kind)) {
        found.push_back(*std::move(finding));
      }
    }
    std::ranges::sort(found, [](const PiiFinding& left, const PiiFinding& right) {
      return left.confidence != right.confidence ? left.confidence > right.confidence
                                                 : left.kind < right.kind;
    });
    // Whole values are one thing only; texts may hold several.
    const bool has_whole = !found.empty() && !found.front().inside_texts;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i == 0 || (!has_whole && found[i].inside_texts)) {
        out.push_back(std::move(found[i]));
      }
    }
  }
  return out;
}

}  // namespace lakehouse::catalog
