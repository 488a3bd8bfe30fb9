// Chooses the TensorRT library of this machine that runs a plan.
//
//   LibraryChoice choice(plan::ParsePlanHeader(plan));
//   while (const std::shared_ptr<const Library> library = choice.Next()) {
//     try {
//       return Runtime::Create(library).Deserialize(plan);
//     } catch (const PlanError& error) {
//       choice.Refused(error.what());
//     }
//   }
//   choice.Throw();
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

// The libraries to try for a plan, in order. If there is one of the plan's own release, it is the only one. Otherwise
// they are the newer ones of the same major release, which may run a version-compatible plan: full and lean libraries,
// then dispatch ones. Opens no library that its file name excludes. For one thread.
class LibraryChoice {
 public:
  // Finds the libraries for a plan of TensorRT or TensorRT-RTX. Throws LibraryError for a plan that no library can run,
  // whatever is installed.
  explicit LibraryChoice(const plan::PlanHeader& header);

  // Returns the next library to try; null if there is none left.
  std::shared_ptr<const Library> Next();

  // True if the library that Next returned last is of the plan's own release, so that its verdict on the plan is final.
  bool exact() const { return exact_; }

  // Notes why the library that Next returned last refused the plan.
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
