#include "core/record/identity.h"

#include <mutex>

#include "core/sha256.h"
#include "core/text.h"

namespace nacelle::record {

std::string IdentityOf(const Record& record, std::string_view plan) {
  Sha256 hash;
  for (const std::string& field : WriteWithoutPlan(record)) {
    hash.Add(Cat(field.size(), ":"));  // so that no two lists of fields have the same bytes
    hash.Add(field);
  }
  hash.Add(plan);
  return Cat(Quote(record.name, /*limit=*/32), " ", hash.Hex());
}

const std::string& Identity::Get(const Record& record, std::string_view plan) {
  const std::lock_guard lock(mutex_);
  if (text_.empty()) text_ = IdentityOf(record, plan);
  return text_;
}

}  // namespace nacelle::record
