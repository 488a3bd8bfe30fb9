// A cache of output shapes by input shapes, so that a shape costs one run of the module.
#ifndef NACELLE_REFERENCE_SHAPE_CACHE_H_
#define NACELLE_REFERENCE_SHAPE_CACHE_H_

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <shared_mutex>

#include "core/fork.h"
#include "reference/dims.h"

namespace nacelle::reference {

// The shapes of all outputs, in their order. Immutable, shared between contexts.
using OutputShapes = std::shared_ptr<const std::vector<Shape>>;

// Holds at most `capacity` entries and drops the oldest. Any thread may call any method at any time.
class ShapeCache {
 public:
  explicit ShapeCache(size_t capacity) : capacity_(capacity) {}

  // Returns the entry of `key`, the extents of all inputs in a row (their ranks are fixed); null if there is none.
  OutputShapes Find(const Shape& key) const;
  // Inserts an entry; keeps an entry that `key` already has.
  void Insert(const Shape& key, OutputShapes shapes);
  size_t size() const;

 private:
  const size_t capacity_;
  mutable ForkableMutex<std::shared_mutex> mutex_;
  std::map<Shape, OutputShapes> entries_;
  std::deque<std::map<Shape, OutputShapes>::iterator> order_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_SHAPE_CACHE_H_
