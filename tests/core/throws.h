// Helpers for tests of error messages.
#ifndef NACELLE_TESTS_CORE_THROWS_H_
#define NACELLE_TESTS_CORE_THROWS_H_

#include <gtest/gtest.h>

#include <exception>
#include <string>

namespace nacelle::testing_support {

// Runs `action` and returns the message of the ErrorType that it throws. Anything else fails the test and returns "".
template <typename ErrorType, typename Action>
std::string MessageOf(Action&& action) {
  try {
    action();
  } catch (const ErrorType& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another class: " << error.what();
    return "";
  }
  ADD_FAILURE() << "threw nothing";
  return "";
}

// Fails the test if `text` lacks `part`.
inline void ExpectHas(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no " << part << " in:\n" << text;
}

}  // namespace nacelle::testing_support

#endif  // NACELLE_TESTS_CORE_THROWS_H_
