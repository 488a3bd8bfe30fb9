// Expectations about messages.
#ifndef NACELLE_TESTS_RUNTIME_REFERENCE_EXPECT_H_
#define NACELLE_TESTS_RUNTIME_REFERENCE_EXPECT_H_

#include <gtest/gtest.h>

#include <string>

namespace nacelle::reference {

// Fails the test where `text` lacks `part`.
inline void ExpectHas(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "wanted: " << part << "\nfound: " << text;
}

// What the `Error` that `call` throws says; anything else that it does fails the test.
template <typename Error, typename Call>
std::string MessageOf(Call call) {
  std::string message;
  EXPECT_THROW(
      try { call(); } catch (const Error& error) {
        message = error.what();
        throw;
      },
      Error);
  return message;
}

}  // namespace nacelle::reference

#endif  // NACELLE_TESTS_RUNTIME_REFERENCE_EXPECT_H_
