#pragma once

#include <string_view>

/// \file
/// Whether one value is what it looks like: shapes and checksums. Pure; any input is fine.

namespace lakehouse::catalog::pii {

/// How sure a shape is by itself.
enum class Fit : unsigned char {
  No,
  Shape,   ///< Written like one, but its checksum or ranges say no.
  Weak,    ///< Could be one, could be any number.
  Strong,  ///< Hardly anything else is written so.
};

bool is_email(std::string_view text);
Fit phone(std::string_view text);
/// A national number after its 0, in groups: "030 1234567".
bool is_national_phone(std::string_view text);
/// US social security numbers. Strong: 123-45-6789; Weak: nine digits; Shape: out of their range.
Fit ssn(std::string_view text);
/// Numbers that other countries know their people by, with valid checksums or unmistakable shapes.
/// Empty, or the number's name: "NINO".
std::string_view national_id(std::string_view text);
/// Strong: issuer's prefix, length and Luhn's checksum fit. Shape: 13 to 19 digits.
Fit card(std::string_view text);
bool is_iban(std::string_view text);
bool is_aba_routing(std::string_view text);
bool is_bic(std::string_view text);
bool is_street_address(std::string_view text);
bool is_postal_code(std::string_view text);
/// A diagnosis code of ICD-10: "E11.9". `dotted` tells those from "E119".
bool is_icd10(std::string_view text, bool* dotted);
bool is_blood_type(std::string_view text);
bool has_medical_term(std::string_view text);
/// An amount of money, plain or with a currency: nothing negative, "85,000", "$41.50/hr".
bool is_amount(std::string_view text, double* value);
/// A day that somebody alive may have been born on, or the year: 1900 to now.
bool is_birth_date(std::string_view text);

/// One to five capitalised words as people's names are written: "O'Brien, Mary-Ann".
bool is_name_shaped(std::string_view text);
/// One of its first two words is a given name, or a family name, that is common somewhere.
bool has_known_given_name(std::string_view text);
bool has_known_family_name(std::string_view text);

/// What stands inside a longer text.
struct Inside {
  bool email = false;
  bool phone = false;
  bool ssn = false;
  bool iban = false;
  int cards = 0;        ///< Valid ones.
  int card_shaped = 0;  ///< Runs of 13 to 19 digits, valid or not.
};
Inside look_inside(std::string_view text);

}  // namespace lakehouse::catalog::pii
