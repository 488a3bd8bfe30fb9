// A cursor over the source of a module.
#ifndef NACELLE_REFERENCE_SOURCE_CURSOR_H_
#define NACELLE_REFERENCE_SOURCE_CURSOR_H_

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "reference/value_type.h"

namespace nacelle::reference {

// A cursor that moves on by the text that it takes and never leaves it. Methods whose name begins with Accept take a
// text if it comes next; the others throw PlanError, with the file and the line, if something else does.
class SourceCursor {
 public:
  SourceCursor(std::string file, std::string_view text, const std::set<std::string>& tuples)
      : file_(std::move(file)), text_(text), tuples_(tuples) {}

  static bool InWord(char c) { return c == '_' || IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  [[noreturn]] void Refuse(const std::string& why) const {
    const std::string_view before = text_.substr(0, offset_);
    const auto line = 1 + std::ranges::count(before, '\n');
    throw PlanError(Cat(file_, " line ", line, ": ", why));
  }

  char Peek() const { return offset_ < text_.size() ? text_[offset_] : '\0'; }
  std::string_view Rest() const { return text_.substr(offset_); }
  bool Accept(std::string_view token) {
    if (!Rest().starts_with(token)) return false;
    offset_ += token.size();
    return true;
  }
  void Expect(std::string_view token) {
    if (!Accept(token)) Refuse(Cat("found ", Quote(FirstOf(Rest())), "; wanted ", Quote(token)));
  }
  static std::string_view FirstOf(std::string_view text) {
    text = text.substr(0, 40);
    return text.substr(0, std::min(text.find('\n'), text.size()));
  }
  bool SkipEmptyLine() {
    const size_t end = std::min(text_.find('\n', offset_), text_.size());
    if (text_.find_first_not_of(' ', offset_) < end) return false;
    offset_ = std::min(end + 1, text_.size());
    return true;
  }
  void Spaces() {
    while (Peek() == ' ') ++offset_;
  }
  void EndLine() {
    Spaces();
    if (offset_ < text_.size()) Expect("\n");
  }
  std::string_view PeekWord() const {
    size_t end = offset_;
    while (end < text_.size() && InWord(text_[end])) ++end;
    return text_.substr(offset_, end - offset_);
  }
  std::string Word() {
    const std::string_view word = PeekWord();
    if (word.empty() || IsDigit(word[0])) Refuse(Cat("found ", Quote(FirstOf(Rest())), "; wanted a name"));
    offset_ += word.size();
    return std::string(word);
  }
  // Takes `word` and returns true if it is the whole next word.
  bool AcceptWord(std::string_view word) { return PeekWord() == word && Accept(word); }

  size_t Indent() const {
    const size_t end = text_.find_first_not_of(' ', offset_);
    return std::min(end, text_.size()) - offset_;
  }
  // Takes the indent and returns true if a line of this block follows.
  bool AcceptLine(size_t indent) {
    while (offset_ < text_.size() && SkipEmptyLine()) continue;
    if (offset_ >= text_.size() || Indent() < indent) return false;
    if (Indent() > indent) Refuse(Cat("found an indent of ", Indent(), "; wanted ", indent));
    offset_ += indent;
    return true;
  }

  ValueType Type() {
    std::string_view rest = Rest();
    try {
      ValueType type = ReadType(rest, tuples_);
      offset_ = text_.size() - rest.size();
      return type;
    } catch (const PlanError& error) {
      Refuse(error.what());
    }
  }

  // Takes a text in quotes; returns its size with the quotes.
  size_t TakeText() {
    const size_t start = offset_;
    Expect("\"");
    while (Peek() != '"') {
      if (offset_ >= text_.size() || Peek() == '\n') Refuse("found a text without an end");
      offset_ = std::min(offset_ + (Peek() == '\\' ? 2 : 1), text_.size());
    }
    Expect("\"");
    return offset_ - start;
  }

  // Takes a number: 1, -2.5, 1e-05, -inf, 2.+3.j
  void TakeNumber() {
    for (int part = 0; part < 2; ++part) {
      if (!Accept("-")) Accept("+");
      for (const char* const word : {"inf", "nan", "infj", "nanj"}) {
        if (AcceptWord(word)) return;
      }
      const size_t digits = offset_;
      while (IsDigit(Peek()) || Peek() == '.') ++offset_;
      if (offset_ == digits) Refuse(Cat("found ", Quote(FirstOf(Rest())), "; wanted a number"));
      if (Accept("e")) {
        if (!Accept("-")) Accept("+");
        while (IsDigit(Peek())) ++offset_;
      }
      if (Accept("j") || (Peek() != '+' && Peek() != '-')) return;
    }
  }

  bool AtEnd() const { return offset_ >= text_.size(); }
  std::string_view text() const { return text_; }
  size_t offset() const { return offset_; }
  void MoveTo(size_t offset) { offset_ = offset; }

 private:
  const std::string file_;
  const std::string_view text_;
  const std::set<std::string>& tuples_;  // full names of named tuples
  size_t offset_ = 0;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_SOURCE_CURSOR_H_
