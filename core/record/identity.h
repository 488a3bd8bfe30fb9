// The identity of a record: what is compared in place of the record itself, whose plan may be gigabytes.
//
//   Identity identity;
//   std::cout << identity.Get(record, plan);  // "encoder" ba7816bf… (64 digits)
#ifndef NACELLE_CORE_RECORD_IDENTITY_H_
#define NACELLE_CORE_RECORD_IDENTITY_H_

#include <string>
#include <string_view>

#include "core/fork.h"
#include "core/record/record.h"

namespace nacelle::record {

// Returns the name of `record`, quoted and cut if it is long, and a SHA-256 of all its fields and of its plan, which
// `plan` holds in its stead. Records that differ in any field have different identities. Throws RecordError if the
// record cannot be written. A pure function, which reads the plan once and does not copy it.
std::string IdentityOf(const Record& record, std::string_view plan);

// An identity that is computed when it is first asked for, since that reads the whole plan. Any thread.
class Identity {
 public:
  // Returns IdentityOf(record, plan). The arguments are the same at every call. Threads that call at once wait for the
  // first; if that one throws, the next one tries again.
  const std::string& Get(const Record& record, std::string_view plan);

 private:
  ForkableMutex<> mutex_;
  std::string text_;  // written once
};

}  // namespace nacelle::record

#endif  // NACELLE_CORE_RECORD_IDENTITY_H_
