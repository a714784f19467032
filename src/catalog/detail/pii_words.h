#pragma once

#include <string_view>

/// \file
/// The words that tell people, streets and illnesses from other things. All take lower case.

namespace lakehouse::catalog::pii {

bool is_given_name(std::string_view word);
bool is_family_name(std::string_view word);
/// "street", "rd", "calle"; also the end of "hauptstrasse".
bool is_street_word(std::string_view word);
/// "diabetes", "amoxicillin", also by endings such as -itis.
bool is_medical_word(std::string_view word);
/// "png": what follows the dot in "logo@2x.png" is no domain.
bool is_file_extension(std::string_view word);

}  // namespace lakehouse::catalog::pii
