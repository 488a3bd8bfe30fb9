// A cursor over the bytes of a module's pickle.
#ifndef NACELLE_REFERENCE_PICKLE_BYTES_H_
#define NACELLE_REFERENCE_PICKLE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::reference {

// A cursor that moves forward by the bytes that it takes. If they would pass the end, it throws PlanError with the
// pickle's name and the position.
class PickleBytes {
 public:
  PickleBytes(std::string name, std::string_view bytes) : name_(std::move(name)), bytes_(bytes) {}

  [[noreturn]] void Refuse(const std::string& why) const {
    throw PlanError(Cat(name_, " ", why, " (at byte ", offset_, ")"));
  }

  std::string_view Take(size_t size) {
    if (size > bytes_.size() - offset_) Refuse("is cut off");
    const std::string_view taken = bytes_.substr(offset_, size);
    offset_ += size;
    return taken;
  }
  uint8_t Byte() { return static_cast<uint8_t>(Take(1)[0]); }
  template <typename T>
  T Number() {
    T number;
    std::memcpy(&number, Take(sizeof(T)).data(), sizeof(T));
    return number;
  }
  std::string Line() {
    const size_t end = bytes_.find('\n', offset_);
    if (end == std::string_view::npos) Refuse("is cut off");
    std::string line(Take(end - offset_));
    Take(1);
    return line;
  }

  bool AtEnd() const { return offset_ == bytes_.size(); }
  size_t size() const { return bytes_.size(); }

 private:
  const std::string name_;
  const std::string_view bytes_;
  size_t offset_ = 0;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PICKLE_BYTES_H_
