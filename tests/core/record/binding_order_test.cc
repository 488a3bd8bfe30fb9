#include "core/record/binding_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace nacelle::record {
namespace {

using Names = std::vector<std::string>;
using Order = std::vector<size_t>;

struct Case {
  Names names;
  Order order;
  bool follows;  // the result of OrderFollowsNames
};

class BindingOrderTest : public testing::TestWithParam<Case> {};

TEST_P(BindingOrderTest, OrderByNumber) { EXPECT_EQ(OrderByNumber(GetParam().names), GetParam().order); }

TEST_P(BindingOrderTest, OrderFollowsNames) { EXPECT_EQ(OrderFollowsNames(GetParam().names), GetParam().follows); }

INSTANTIATE_TEST_SUITE_P(Few, BindingOrderTest,
                         testing::Values(Case{{}, {}, true}, Case{{"x"}, {0}, true}, Case{{"input_7"}, {0}, true}));

INSTANTIATE_TEST_SUITE_P(
    Numbered, BindingOrderTest,
    testing::Values(Case{{"input_0", "input_1"}, {0, 1}, true}, Case{{"input_1", "input_0"}, {1, 0}, false},
                    Case{{"x.2", "x.10", "x.1"}, {2, 0, 1}, false},  // by value, not as text
                    Case{{"input_2", "input_9", "input_10"}, {0, 1, 2}, true},
                    Case{{"a_9.1", "b_1.0"}, {1, 0}, false},                 // '.' before '_'
                    Case{{"image_1_left", "image_0_right"}, {1, 0}, false},  // none at the end: the first ones tell
                    Case{{"out_4294967296", "out_0"}, {1, 0}, false}));

// The last number counts; older releases of Torch-TensorRT take the first.
INSTANTIATE_TEST_SUITE_P(
    SeveralNumbers, BindingOrderTest,
    testing::Values(Case{{"a.1.0", "a.0.1"}, {0, 1}, false},  // by the first number it would be the other way around
                    Case{{"a.0.1", "a.1.0"}, {1, 0}, false}, Case{{"a.b.1", "a.b.0"}, {1, 0}, false},
                    Case{{"a.b.0", "a.b.1"}, {0, 1}, true},  // only the last number is one
                    Case{{"a.0.0", "a.1.1"}, {0, 1}, true},  // the two rules agree
                    Case{{"x.1_2", "x.2_1"}, {1, 0}, false}, Case{{"x_1.2", "x_2.1"}, {1, 0}, false},
                    Case{{"rgb_image_1", "rgb_image_0"}, {1, 0}, false},
                    Case{{"rgb_image_0", "rgb_image_1"}, {0, 1}, true},
                    Case{{"x_0_7", "x_1_7"}, {0, 1}, true},  // equal last numbers: the first ones tell
                    Case{{"x_1_7", "x_0_7"}, {1, 0}, false}));

INSTANTIATE_TEST_SUITE_P(NotNumbered, BindingOrderTest,
                         testing::Values(Case{{"b", "a"}, {0, 1}, false}, Case{{"input_1", "mask"}, {0, 1}, false},
                                         Case{{"input_1", "left_1"}, {0, 1}, false},  // equal numbers
                                         Case{{"input_1", "left_01"}, {0, 1}, false},
                                         Case{{"x_", "x_0"}, {0, 1}, false}, Case{{"x.", "y_1"}, {0, 1}, false},
                                         Case{{"x_-1", "x_0"}, {0, 1}, false}, Case{{"x_ 1", "x_0"}, {0, 1}, false},
                                         Case{{"x_18446744073709551616", "x_0"}, {0, 1}, false}));  // more than 64 bits

TEST(OrderByNumber, IsTheInverseOfAnyShuffle) {
  Names names = {"input_0", "input_1", "input_2", "input_3", "input_4"};
  do {
    const Order order = OrderByNumber(names);
    for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(names[order[i]], "input_" + std::to_string(i));
  } while (std::next_permutation(names.begin(), names.end()));
}

}  // namespace
}  // namespace nacelle::record
