// Output shapes by input shapes, kept so that a shape costs a run of the module once.
#ifndef NACELLE_REFERENCE_SHAPE_CACHE_H_
#define NACELLE_REFERENCE_SHAPE_CACHE_H_

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <shared_mutex>

#include "reference/dims.h"

namespace nacelle::reference {

// One shape per output, in their order. Immutable, shared between contexts.
using OutputShapes = std::shared_ptr<const std::vector<Shape>>;

// Holds at most `capacity` entries; the one that came first goes first. Any thread may call anything at any time.
class ShapeCache {
 public:
  explicit ShapeCache(size_t capacity) : capacity_(capacity) {}

  // `key`: the extents of all inputs, one after the other (their ranks are fixed). nullptr where it is not there.
  OutputShapes Find(const Shape& key) const;
  // Keeps what is there already for `key`.
  void Insert(const Shape& key, OutputShapes shapes);
  size_t size() const;

 private:
  const size_t capacity_;
  mutable std::shared_mutex mutex_;
  std::map<Shape, OutputShapes> entries_;
  std::deque<std::map<Shape, OutputShapes>::iterator> order_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_SHAPE_CACHE_H_
