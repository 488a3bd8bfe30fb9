#include "reference/shape_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace nacelle::reference {
namespace {

OutputShapes Shapes(int64_t extent) { return std::make_shared<std::vector<Shape>>(std::vector<Shape>{{extent}}); }

TEST(ShapeCache, FindsWhatWasInserted) {
  ShapeCache cache(2);
  EXPECT_EQ(cache.Find({1}), nullptr);
  cache.Insert({1}, Shapes(10));
  ASSERT_NE(cache.Find({1}), nullptr);
  EXPECT_EQ(cache.Find({1})->at(0), Shape({10}));
}

TEST(ShapeCache, KeepsTheFirstOfOneKey) {
  ShapeCache cache(2);
  cache.Insert({1}, Shapes(10));
  cache.Insert({1}, Shapes(20));
  EXPECT_EQ(cache.Find({1})->at(0), Shape({10}));
  EXPECT_EQ(cache.size(), 1u);
}

TEST(ShapeCache, IsBounded) {
  ShapeCache cache(2);
  for (int64_t i = 0; i < 10; ++i) cache.Insert({i}, Shapes(i));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find({7}), nullptr);
  EXPECT_NE(cache.Find({8}), nullptr);
  EXPECT_NE(cache.Find({9}), nullptr);
}

}  // namespace
}  // namespace nacelle::reference
