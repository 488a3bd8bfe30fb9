#include "core/tensorrt/library_choice.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "core/error.h"
#include "core/known_releases.h"
#include "core/release.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

// Returns a release without its build number, which libraries before 10.0 do not report.
auto Numbers(const Release& release) { return std::tie(release.major, release.minor, release.patch); }

bool IsRtx(const plan::PlanHeader& header) { return header.kind == plan::PlanKind::kTensorRTRtx; }

// Returns the reason why a candidate, by its file name, is not worth opening; nullopt if it is.
std::optional<std::string> Excluded(const plan::PlanHeader& header, const Candidate& candidate) {
  if (IsRtx(header) != (candidate.kind == LibraryKind::kRtx)) {
    return Cat("is a library of ", IsRtx(header) ? "TensorRT" : "TensorRT-RTX", ", by its name");
  }
  if (candidate.major != 0 && candidate.major != header.release.major) {
    return Cat("is of release ", candidate.major, ".x, by its name");
  }
  return std::nullopt;
}

}  // namespace

LibraryChoice::LibraryChoice(const plan::PlanHeader& header) : header_(header) {
  const std::string why_not = header.WhyItCannotRun();
  if (!why_not.empty()) throw LibraryError(why_not);
  for (const Candidate& candidate : Discover()) {
    Consider(candidate);
    if (own_ != nullptr) return;
  }
  // A dispatch library runs only plans that bring a runtime with them.
  std::ranges::stable_sort(newer_, {},
                           [](const Newer& newer) { return newer.library->kind() == LibraryKind::kDispatch; });
}

void LibraryChoice::Consider(const Candidate& candidate) {
  const std::string name = Cat(candidate.path, " (", candidate.source, "): ");
  if (const auto excluded = Excluded(header_, candidate)) {
    verdicts_.push_back(name + *excluded);
    return;
  }
  try {
    auto library = Library::Open(candidate.path);
    verdicts_.push_back(Cat(name, "is ", library->Describe()));
    const auto release = Numbers(library->release());
    const auto plan_release = Numbers(header_.release);
    if (release == plan_release && library->kind() != LibraryKind::kDispatch) {
      own_ = std::move(library);
    } else if (std::get<0>(release) == std::get<0>(plan_release) && release >= plan_release) {
      newer_.push_back({std::move(library), verdicts_.size() - 1});
    }
  } catch (const Error& error) {
    verdicts_.push_back(name + error.what());
  }
}

std::shared_ptr<const Library> LibraryChoice::Next() {
  exact_ = own_ != nullptr;
  if (exact_) return next_++ == 0 ? own_ : nullptr;
  return next_ < newer_.size() ? newer_[next_++].library : nullptr;
}

void LibraryChoice::Refused(const std::string& reason) {
  if (next_ != 0 && next_ <= newer_.size())
    verdicts_[newer_[next_ - 1].verdict] += Cat("; it refused the plan: ", reason);
}

void LibraryChoice::Throw() const {
  const Product product = IsRtx(header_) ? Product::kTensorRTRtx : Product::kTensorRT;
  const std::string remedy = WhyNotCallable(product, header_.release).empty()
                                 ? Cat("put the file or folder of that release into ", kPathVariable)
                                 : Cat("Nacelle cannot call that release (it calls ", KnownReleases(product),
                                       "): build the engine again with one of these");
  throw LibraryError(Cat("the plan needs ", header_.Describe(), ", and no library here runs it; ", remedy,
                         "; looked at:", verdicts_.empty() ? " nothing: no library of TensorRT is here" : "\n  ",
                         Join(verdicts_, "\n  ")));
}

}  // namespace nacelle::tensorrt
