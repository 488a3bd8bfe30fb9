#include "core/plan/plan_header.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/known_releases.h"
#include "core/text.h"

namespace nacelle::plan {
namespace {

constexpr std::string_view kReferenceMagic = "nref";
constexpr size_t kReferenceVersionOffset = 4;

// The offsets at which a plan of NVIDIA's libraries keeps the four numbers of its release, a byte each.
struct Layout {
  std::string_view magic;
  PlanKind kind;
  std::array<size_t, 4> offsets;
};

constexpr std::array<Layout, 3> kLayouts = {{
    {"ftrt", PlanKind::kTensorRT, {24, 25, 26, 27}},
    {"ptrt", PlanKind::kTensorRT, {28, 33, 38, 43}},
    {"vtrt", PlanKind::kTensorRTRtx, {24, 25, 26, 27}},
}};

static_assert(std::ranges::all_of(kLayouts, [](const Layout& layout) { return layout.offsets.back() < kPlanStart; }));

constexpr std::string_view kKnownKinds =
    "\"ftrt\" (TensorRT 8.6 and later), \"ptrt\" (TensorRT 7.1 to 8.5), \"vtrt\" (TensorRT-RTX), \"nref\" (reference "
    "engine)";

// The first release whose plans may run on later ones of the same major release.
constexpr Release kFirstVersionCompatible = {8, 6, 0, 0};

Product ProductOf(PlanKind kind) { return kind == PlanKind::kTensorRTRtx ? Product::kTensorRTRtx : Product::kTensorRT; }

int ByteAt(std::string_view plan, size_t offset) { return static_cast<uint8_t>(plan[offset]); }

// The first bytes in hexadecimal and as text.
std::string FirstBytes(std::string_view plan) {
  const std::string_view first = plan.substr(0, 8);
  std::string hex;
  for (const char c : first) {
    char pair[4];
    std::snprintf(pair, sizeof pair, "%02x ", static_cast<unsigned>(static_cast<uint8_t>(c)));
    hex += pair;
  }
  return hex.empty() ? "no bytes" : Cat(hex, "(", Quote(first), ")");
}

// `start` is the whole plan if it is shorter than a header.
void CheckLength(std::string_view start, std::string_view magic, size_t header_size) {
  if (start.size() >= header_size) return;
  throw PlanError(Cat("plan of ", start.size(), " bytes begins like one of magic ", Quote(magic),
                      ", whose header takes ", header_size, " bytes: it is cut off"));
}

PlanHeader ReadRelease(std::string_view plan, const Layout& layout) {
  CheckLength(plan, layout.magic, layout.offsets.back() + 1);
  const auto& at = layout.offsets;
  return {layout.kind, {ByteAt(plan, at[0]), ByteAt(plan, at[1]), ByteAt(plan, at[2]), ByteAt(plan, at[3])}};
}

PlanHeader ReadReference(std::string_view plan) {
  CheckLength(plan, kReferenceMagic, kReferenceVersionOffset + sizeof(uint32_t));
  uint32_t version = 0;
  for (size_t i = 0; i < sizeof version; ++i) {
    version |= static_cast<uint32_t>(ByteAt(plan, kReferenceVersionOffset + i)) << (8 * i);
  }
  if (version == 0 || version > static_cast<uint32_t>(std::numeric_limits<int>::max())) {
    throw PlanError(Cat("reference engine plan of format version ", version, "; wanted 1 or more: it is damaged"));
  }
  return {PlanKind::kReference, {static_cast<int>(version), 0, 0, 0}};
}

}  // namespace

std::string_view PlanKindName(PlanKind kind) {
  switch (kind) {
    case PlanKind::kTensorRT:
      return "TensorRT";
    case PlanKind::kTensorRTRtx:
      return "TensorRT-RTX";
    case PlanKind::kReference:
      return "reference engine";
  }
  return "unknown";
}

std::string PlanHeader::Describe() const {
  if (kind == PlanKind::kReference) return Cat(PlanKindName(kind), ", plan format ", release.major);
  const std::string name = Cat(PlanKindName(kind), " ", release.ToString());
  if (WhyItCannotRun().empty()) return name;
  return Cat(name, " (cannot run here: Nacelle calls ", KnownReleases(ProductOf(kind)), ")");
}

std::string PlanHeader::WhyItCannotRun() const {
  if (kind == PlanKind::kReference) return "";
  const Product product = ProductOf(kind);
  const std::vector<int> majors = KnownMajors(product);
  const bool known = std::ranges::find(majors, release.major) != majors.end();
  const bool own_release_alone = product == Product::kTensorRT && release < kFirstVersionCompatible;
  if (known && (!own_release_alone || WhyNotCallable(product, release).empty())) return "";
  return Cat("the plan was built by ", PlanKindName(kind), " ", release.ToString(), ", and Nacelle calls ",
             PlanKindName(kind), " ", KnownReleases(product),
             "; no library that is installed here can run it: build the engine again with one of these releases");
}

bool HasPlanMagic(std::string_view bytes) {
  return bytes.starts_with(kReferenceMagic) ||
         std::ranges::any_of(kLayouts, [&](const Layout& layout) { return bytes.starts_with(layout.magic); });
}

PlanHeader ParsePlanHeader(std::string_view plan) { return ParsePlanHeader(plan, plan.size()); }

PlanHeader ParsePlanHeader(std::string_view start, size_t size) {
  for (const Layout& layout : kLayouts) {
    if (start.starts_with(layout.magic)) return ReadRelease(start, layout);
  }
  if (start.starts_with(kReferenceMagic)) return ReadReference(start);
  throw PlanError(Cat("not a plan that is known: ", size, " bytes that begin with ", FirstBytes(start),
                      "; wanted one of the magics ", kKnownKinds));
}

}  // namespace nacelle::plan
