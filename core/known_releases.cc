#include "core/known_releases.h"

#include <algorithm>
#include <tuple>

#include "core/text.h"

namespace nacelle {
namespace {

// The tables of one major release.
struct Range {
  Product product;
  Release oldest;
  Release newest;
};

constexpr Range kRanges[] = {
#include "core/known_releases.inc"
};

auto WithoutBuild(const Release& release) { return std::tuple(release.major, release.minor, release.patch); }

}  // namespace

const char* ProductName(Product product) { return product == Product::kTensorRT ? "TensorRT" : "TensorRT-RTX"; }

std::string KnownReleases(Product product) {
  std::vector<std::string> ranges;
  for (const Range& range : kRanges) {
    if (range.product != product) continue;
    ranges.push_back(
        Cat(range.oldest.major, ".", range.oldest.minor, " to ", range.newest.major, ".", range.newest.minor));
  }
  return Join(ranges, ", ");
}

std::vector<int> KnownMajors(Product product) {
  std::vector<int> majors;
  for (const Range& range : kRanges) {
    if (range.product == product) majors.push_back(range.oldest.major);
  }
  std::ranges::reverse(majors);
  return majors;
}

std::string WhyNotCallable(Product product, const Release& release) {
  const std::string name = Cat(ProductName(product), " ", release.ToString());
  const std::string known = Cat("that Nacelle knows (it knows ", KnownReleases(product), ")");
  const auto* const range = std::ranges::find_if(
      kRanges, [&](const Range& each) { return each.product == product && each.oldest.major == release.major; });
  if (range == std::end(kRanges)) {
    return Cat(name, " is of a major release that Nacelle does not know (it knows ", KnownReleases(product),
               "): use a ", ProductName(product), " of one of these, or a Nacelle that knows ", release.major, ".x");
  }
  if (WithoutBuild(range->oldest) <= WithoutBuild(release)) return "";
  return Cat(name, " is older than ", range->oldest.ToString(), ", the oldest release of ", release.major, ".x ", known,
             ": use a newer ", ProductName(product), " of that major release");
}

}  // namespace nacelle
