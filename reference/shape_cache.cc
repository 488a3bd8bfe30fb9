#include "reference/shape_cache.h"

#include <mutex>
#include <utility>

namespace nacelle::reference {

OutputShapes ShapeCache::Find(const Shape& key) const {
  const std::shared_lock lock(mutex_);
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : it->second;
}

void ShapeCache::Insert(const Shape& key, OutputShapes shapes) {
  const std::unique_lock lock(mutex_);
  const auto [entry, is_new] = entries_.try_emplace(key, std::move(shapes));
  if (!is_new) return;
  order_.push_back(entry);
  if (order_.size() <= capacity_) return;
  entries_.erase(order_.front());
  order_.pop_front();
}

size_t ShapeCache::size() const {
  const std::shared_lock lock(mutex_);
  return entries_.size();
}

}  // namespace nacelle::reference
