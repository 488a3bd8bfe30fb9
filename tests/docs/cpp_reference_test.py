"""The parts of a header that the C++ reference shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.site import cpp_reference

HEADER = """\
// What the header is for, with a <bracket> and `code<int>`.
#ifndef A_H_
#define A_H_

#include <vector>

namespace outer::inner {

class Later;

// Two numbers.
//
// A second paragraph.
struct Pair {
  int first = 0;  // the first
  int Sum() const { return first + second; }
  int second = 0;
};

// A class.
class Holder final {
 public:
  // Takes a pair.
  explicit Holder(const Pair& pair) : pair_(pair), size_{1} {}
  ~Holder();

  // The pair.
  const Pair& pair() const { return pair_; }

 private:
  void Hidden();
  Pair pair_;
  int size_;

 public:
  int open = 1;

 protected:
  int closed_ = 2;
};

// Two of one name.
int Twice(int value);
int Twice(const std::vector<int>& values);

// A template.
template <typename T>
T Same(T value) {
  return value;
}

enum class Kind { kOne, kTwo };

inline constexpr int kAnswer = 42;

}  // namespace outer::inner

#endif  // A_H_
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("headers")
    (folder / "runtime").mkdir()
    (folder / "runtime" / "a.h").write_text(HEADER, encoding="utf-8")
    return cpp_reference.page(["runtime/a.h"], folder)


def test_the_header_introduces_itself(page: str) -> None:
    assert "## runtime/a.h\n\nWhat the header is for, with a &lt;bracket&gt; and `code<int>`.\n" in page


def test_declarations_in_order(page: str) -> None:
    headings = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]
    assert headings == [f"outer::inner::{name}" for name in ("Pair", "Holder", "Twice", "Same", "Kind", "kAnswer")]


def test_a_comment_is_prose_and_bodies_are_left_out(page: str) -> None:
    assert (
        "### outer::inner::Pair\n\nTwo numbers.\n\nA second paragraph.\n\n```c++\nstruct Pair {\n"
        "  int first = 0;  // the first\n  int Sum() const;\n  int second = 0;\n};\n```\n"
    ) in page


def test_only_what_is_public(page: str) -> None:
    assert "  explicit Holder(const Pair& pair);\n  ~Holder();\n\n  // The pair.\n  const Pair& pair() const;\n" in page
    assert "int open = 1;" in page
    for hidden in ("pair_", "size_", "Hidden", "closed_", "private", "protected"):
        assert hidden not in page


def test_overloads_stand_together(page: str) -> None:
    assert "```c++\nint Twice(int value);\n\nint Twice(const std::vector<int>& values);\n```" in page


def test_a_template_keeps_its_parameters(page: str) -> None:
    assert "```c++\ntemplate <typename T>\nT Same(T value);\n```" in page


def test_a_header_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "b.h").write_text("#ifndef B\nUnknown value;\n#endif\n", encoding="utf-8")
    with pytest.raises(cpp_reference.HeaderError, match="unknown type name 'Unknown'"):
        cpp_reference.page(["runtime/b.h"], tmp_path)


def test_an_example_is_code() -> None:
    comment = "// What <it> does.\n//\n//   Do([](int& x) { x = 1; });\n//\n//   Go();\n//\n// - one\n//   item"
    wanted = "What &lt;it&gt; does.\n\n```c++\nDo([](int& x) { x = 1; });\n```\n\n```c++\nGo();\n```\n\n- one\n  item"
    assert cpp_reference.markdown(comment) == wanted
