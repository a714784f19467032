#include "catalog/pii.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "catalog/detail/pii_names.h"
#include "catalog/detail/pii_values.h"

namespace lakehouse::catalog {
namespace {

using pii::Fit;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

PiiColumn column(std::string name, PiiType type, std::vector<std::string> values) {
  return {.name = std::move(name), .field_id = 1, .type = type, .values = std::move(values)};
}

std::vector<std::string> kinds(const std::string& dataset, const std::vector<PiiColumn>& columns) {
  std::vector<std::string> out;
  for (const PiiFinding& finding : detect_pii(dataset, columns)) {
    out.push_back(finding.column + ":" + std::string(to_string(finding.kind)));
  }
  return out;
}

std::vector<std::string> twenty(const std::function<std::string(int)>& make) {
  std::vector<std::string> out;
  for (int i = 0; i < 20; ++i) {
    out.push_back(make(i));
  }
  return out;
}

TEST(PiiValues, Emails) {
  for (const char* text : {"a@b.io", "first.last+tag@sub.example.co.uk", "jürgen@bücher.example"}) {
    EXPECT_TRUE(pii::is_email(text)) << text;
  }
  for (const char* text : {"", "@", "a@b", "logo@2x.png", "@scope/pkg@1.2.3", "a@@b.com",
                           "a b@c.com", "user@localhost", "x@1.2"}) {
    EXPECT_FALSE(pii::is_email(text)) << text;
  }
}

TEST(PiiValues, Phones) {
  for (const char* text : {"(229) 552-3670", "646-678-1234", "+49 30 1234567", "1-646-678-1234",
                           "646.678.1234 x12", "+33 (0)4 15 17 37 74"}) {
    EXPECT_EQ(pii::phone(text), Fit::Strong) << text;
  }
  for (const char* text : {"2024-01-31", "192.168.100.200", "12345-6789", "978-0-306-40615-7", "12",
                           "123-45-6789", "0000000000", "12:30:00"}) {
    EXPECT_NE(pii::phone(text), Fit::Strong) << text;
  }
  EXPECT_EQ(pii::phone("146-678-1234"), Fit::Shape) << "no area begins with 1";
  EXPECT_EQ(pii::phone("6466781234"), Fit::Weak);
}

TEST(PiiValues, Checksums) {
  EXPECT_EQ(pii::card("4111 1111 1111 1111"), Fit::Strong);
  EXPECT_EQ(pii::card("378282246310005"), Fit::Strong);
  EXPECT_EQ(pii::card("4111111111111112"), Fit::Shape);
  EXPECT_EQ(pii::card("490154203237518"), Fit::Shape) << "an IMEI";
  EXPECT_EQ(pii::card("4111"), Fit::No);
  EXPECT_TRUE(pii::is_iban("DE89 3704 0044 0532 0130 00"));
  EXPECT_TRUE(pii::is_iban("gb29nwbk60161331926819"));
  EXPECT_FALSE(pii::is_iban("DE89370400440532013001"));
  EXPECT_FALSE(pii::is_iban("ZZ89370400440532013000"));
  EXPECT_TRUE(pii::is_aba_routing("021000021"));
  EXPECT_FALSE(pii::is_aba_routing("021000022"));
  EXPECT_EQ(pii::ssn("078-05-1120"), Fit::Strong);
  EXPECT_EQ(pii::ssn("666-05-1120"), Fit::Shape);
  EXPECT_EQ(pii::ssn("078-00-1120"), Fit::Shape);
  EXPECT_EQ(pii::national_id("12345678Z"), "DNI");
  EXPECT_EQ(pii::national_id("529.982.247-25"), "CPF");
  EXPECT_EQ(pii::national_id("AB 12 34 56 C"), "NINO");
  EXPECT_EQ(pii::national_id("046 454 286"), "SIN");
  EXPECT_EQ(pii::national_id("86095742719"), "Steuer-ID");
  EXPECT_EQ(pii::national_id("12345678A"), "");
}

TEST(PiiValues, TextsAreLookedInto) {
  const pii::Inside inside =
      pii::look_inside("Call 646-678-1234, or write to <ann@example.org>. SSN 078-05-1120!");
  EXPECT_TRUE(inside.email && inside.phone && inside.ssn);
  EXPECT_EQ(pii::look_inside("paid with 4111 1111 1111 1111 today").cards, 1);
  const pii::Inside harmless = pii::look_inside(
      "order 8421637283917263 from git@github.com:a/b.git, 10.0.0.1, 2024-01-31, v1.2.3");
  EXPECT_FALSE(harmless.email || harmless.phone || harmless.ssn);
  EXPECT_EQ(harmless.cards, 0);
}

TEST(PiiValues, NoInputIsTooOdd) {
  rc::check("any bytes are looked at without harm", [](const std::string& text) {
    pii::is_email(text);
    pii::phone(text);
    pii::is_national_phone(text);
    pii::ssn(text);
    pii::national_id(text);
    pii::card(text);
    pii::is_iban(text);
    pii::is_aba_routing(text);
    pii::is_bic(text);
    pii::is_street_address(text);
    pii::is_postal_code(text);
    bool dotted = false;
    pii::is_icd10(text, &dotted);
    pii::has_medical_term(text);
    double amount = 0;
    pii::is_amount(text, &amount);
    pii::is_birth_date(text);
    pii::is_name_shaped(text);
    pii::has_known_given_name(text);
    pii::look_inside(text);
    pii::words_of(text);
    detect_pii(text, std::vector{column(text, PiiType::Text, {text, text + "1", text + "@x.de"})});
  });
  rc::check("what looks like numbers is, too", [] {
    const auto text =
        *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0129 +-.()/xXeE@")));
    pii::phone(text);
    pii::card(text);
    pii::is_birth_date(text);
    pii::national_id(text);
    pii::look_inside(text);
  });
}

TEST(PiiNames, WordsOfAName) {
  EXPECT_EQ(pii::words_of("homeAddr1"), " home addr 1 ");
  EXPECT_EQ(pii::words_of("HTTPServer_ID"), " http server id ");
  EXPECT_EQ(pii::words_of("customer.e-mail"), " customer e mail ");
  EXPECT_EQ(pii::words_of("Prénom"), " prenom ");
  EXPECT_EQ(pii::words_of("Straße"), " strasse ");
  EXPECT_EQ(pii::words_of(""), " ");
}

TEST(Pii, ValuesDecideWhatANameCannot) {
  const auto hashes =
      twenty([](int i) { return "9f86d081884c7d659a2feaa0c55ad0" + std::to_string(10 + i); });
  const auto emails = twenty([](int i) { return "u" + std::to_string(i) + "@example.org"; });
  EXPECT_THAT(kinds("t", {column("email", PiiType::Text, hashes)}), IsEmpty());
  EXPECT_THAT(kinds("t", {column("x", PiiType::Text, emails)}), ElementsAre("x:email"));
  EXPECT_THAT(kinds("t", {column("email_hash", PiiType::Text, hashes)}), IsEmpty());
}

TEST(Pii, ANameAloneIsWorthLittleAndSaysSo) {
  const auto found = detect_pii("t", std::vector{column("ssn", PiiType::Text, {})});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_LT(found[0].confidence, 0.6);
  EXPECT_EQ(found[0].sample_size, 0);
  EXPECT_THAT(kinds("t", {column("sku", PiiType::Text, {})}), IsEmpty());
}

TEST(Pii, ANameMeansWhatItsTableSays) {
  const std::vector<std::string> people = {"Ann Miller", "Bob Jones", "Carlos Ruiz", "Ewa Nowak"};
  const std::vector<std::string> things = {"Oak Chair", "Desk Lamp", "Calvin Klein Bag",
                                           "Blue Mug"};
  EXPECT_THAT(kinds("customers", {column("name", PiiType::Text, people)}),
              ElementsAre("name:person_name"));
  EXPECT_THAT(kinds("products", {column("name", PiiType::Text, things)}), IsEmpty());
  EXPECT_THAT(kinds("t", {column("product_name", PiiType::Text, people)}), IsEmpty());
}

TEST(Pii, OrderNumbersAreNoCards) {
  const auto orders = twenty([](int i) { return std::to_string(4111111111111110LL + i * 7919LL); });
  EXPECT_THAT(kinds("orders", {column("order_ref", PiiType::Whole, orders)}), IsEmpty());
  EXPECT_THAT(
      kinds("orders", {column("card_no", PiiType::Whole,
                              {"4111111111111111", "5555555555554444", "4012888888881881"})}),
      ElementsAre("card_no:card"));
}

TEST(Pii, TextsMayMentionSeveral) {
  const auto texts = twenty([](int i) {
    return i % 2 == 0 ? "write to a" + std::to_string(i) + "@example.org please"
                      : "call 646-678-12" + std::to_string(30 + i) + " please";
  });
  const auto found = detect_pii("t", std::vector{column("body", PiiType::Text, texts)});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[0].inside_texts && found[1].inside_texts);
}

TEST(Pii, AReasonHoldsNoValue) {
  const auto emails = twenty([](int i) { return "secret" + std::to_string(i) + "@example.org"; });
  for (const PiiFinding& finding :
       detect_pii("t", std::vector{column("x", PiiType::Text, emails)})) {
    EXPECT_THAT(finding.reason, Not(::testing::HasSubstr("secret")));
  }
}

TEST(Pii, KindsHaveNamesAndLevels) {
  for (const auto kind : {PiiKind::Email, PiiKind::Phone, PiiKind::Ssn, PiiKind::Salary,
                          PiiKind::Address, PiiKind::Medical, PiiKind::Card, PiiKind::BankAccount,
                          PiiKind::PersonName, PiiKind::BirthDate}) {
    EXPECT_EQ(pii_kind_from(to_string(kind)), kind);
    EXPECT_GE(sensitivity_of(kind), Sensitivity::Confidential);
  }
  EXPECT_EQ(pii_kind_from("shoe_size"), std::nullopt);
}

}  // namespace
}  // namespace lakehouse::catalog
