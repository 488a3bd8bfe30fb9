#include "core/tensorrt/dims.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace nacelle::tensorrt {
namespace {

TEST(Dims, StartsInvalid) {
  const Dims dims;
  EXPECT_FALSE(dims.valid());
  EXPECT_TRUE(dims.extents().empty());
  EXPECT_EQ(ToString(dims), "[?]");
}

TEST(Dims, TakesUpToEightExtents) {
  EXPECT_EQ(ToString(Dims({1, 3, -1})), "[1, 3, -1]");
  EXPECT_EQ(Dims({}).nb, 0);
  EXPECT_EQ(ToString(Dims({})), "[]");
  EXPECT_EQ(Dims({1, 2, 3, 4, 5, 6, 7, 8}).nb, 8);
  const std::vector<int64_t> nine(9, 1);
  EXPECT_FALSE(Dims(nine).valid());
}

TEST(Dims, ComparesExtentsOnly) {
  Dims a({2, 3});
  Dims b({2, 3});
  b.d[5] = 42;
  EXPECT_EQ(a, b);
  EXPECT_FALSE(a == Dims({2, 3, 1}));
  EXPECT_FALSE(a == Dims({2, 4}));
  EXPECT_FALSE(a == Dims());
}

TEST(Dims, CrossesBothWaysInBothWidths) {
  const Dims dims({0, -1, 2147483647});
  EXPECT_EQ(FromWire(ToWire<Dims32>(dims)), dims);
  EXPECT_EQ(FromWire(ToWire<Dims64>(dims)), dims);
  const Dims large({std::numeric_limits<int64_t>::max()});
  EXPECT_EQ(FromWire(ToWire<Dims64>(large)), large);
}

TEST(Dims, KnowsWhatFits32Bits) {
  EXPECT_TRUE(FitsDims32(Dims({2147483647, -2147483648LL})));
  EXPECT_FALSE(FitsDims32(Dims({1, 2147483648LL})));
  EXPECT_FALSE(FitsDims32(Dims({-2147483649LL})));
  Dims beyond({1});
  beyond.d[1] = int64_t{1} << 40;  // not part of the shape
  EXPECT_TRUE(FitsDims32(beyond));
}

TEST(Dims, DoesNotBelieveAnImpossibleRank) {
  Dims64 wire = ToWire<Dims64>(Dims({1}));
  for (const int32_t rank : {-1, -7, 9, 1 << 30}) {
    wire.nb = rank;
    EXPECT_FALSE(FromWire(wire).valid()) << rank;
  }
}

}  // namespace
}  // namespace nacelle::tensorrt
