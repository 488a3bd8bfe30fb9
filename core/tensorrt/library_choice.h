// Which of the TensorRT libraries here runs a plan.
#ifndef NACELLE_CORE_TENSORRT_LIBRARY_CHOICE_H_
#define NACELLE_CORE_TENSORRT_LIBRARY_CHOICE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/plan/plan_header.h"
#include "core/tensorrt/discover.h"
#include "core/tensorrt/library.h"

namespace nacelle::tensorrt {

// The libraries to try for a plan, in order: one of the plan's own release, and nothing else where there is one; else
// those of the same major release that are newer, since they may take a version-compatible plan: full and lean ones,
// then dispatch ones. Opens only what its file name does not exclude. For one thread.
class LibraryChoice {
 public:
  // For a plan that TensorRT or TensorRT-RTX built. Throws LibraryError for one that no library can run here, whatever
  // is installed.
  explicit LibraryChoice(const plan::PlanHeader& header);

  // The next one to try; null where there is none.
  std::shared_ptr<const Library> Next();

  // Whether the one that Next gave last is of the plan's own release, so that its word about the plan is final.
  bool exact() const { return exact_; }

  // Notes why the one that Next gave last did not take the plan.
  void Refused(const std::string& reason);

  // Throws LibraryError that names the plan's release and every candidate with its verdict.
  [[noreturn]] void Throw() const;

 private:
  struct Newer {
    std::shared_ptr<const Library> library;
    size_t verdict;  // its line in verdicts_
  };

  void Consider(const Candidate& candidate);

  const plan::PlanHeader header_;
  std::vector<std::string> verdicts_;  // a line for each candidate
  std::shared_ptr<const Library> own_;
  std::vector<Newer> newer_;
  size_t next_ = 0;
  bool exact_ = false;
};

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_LIBRARY_CHOICE_H_
