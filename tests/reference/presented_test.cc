#include "reference/presented.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/tensorrt/data_type.h"

namespace nacelle::reference {
namespace {

using tensorrt::SlotTable;

std::vector<SlotTable> Tables(const std::vector<Release>& releases) {
  std::vector<SlotTable> tables;
  for (const Release& release : releases) {
    SlotTable table;
    table.release = release;
    tables.push_back(table);
  }
  return tables;
}

std::string Chosen(std::string_view wanted) {
  static const std::vector<SlotTable> tables = Tables({{8, 5, 3, 1},
                                                       {8, 6, 1, 5},
                                                       {9, 1, 0, 4},
                                                       {9, 2, 0, 5},
                                                       {10, 0, 0, 6},
                                                       {10, 0, 1, 6},
                                                       {10, 1, 0, 27},
                                                       {10, 10, 0, 31},
                                                       {11, 1, 0, 106}});
  const SlotTable* table = ChooseTable(wanted, tables);
  return table == nullptr ? "none" : table->release.ToString();
}

TEST(Presented, TheNewestIsTheDefault) { EXPECT_EQ(Chosen(""), "11.1.0.106"); }

TEST(Presented, FirstNumbersChooseTheNewestThatStartsSo) {
  EXPECT_EQ(Chosen("8.6.1.5"), "8.6.1.5");
  EXPECT_EQ(Chosen("8"), "8.6.1.5");
  EXPECT_EQ(Chosen("9"), "9.2.0.5");
  EXPECT_EQ(Chosen("10.0"), "10.0.1.6");
  EXPECT_EQ(Chosen("10.1"), "10.1.0.27");  // not 10.10
  EXPECT_EQ(Chosen("10"), "10.10.0.31");
}

TEST(Presented, WhatIsNoKnownReleaseChoosesNone) {
  for (const char* wanted :
       {"7", "9.3", "10.0.2", "8.6.1.5.1", "x", "10.", ".10", "10.0 ", "-8", "8,6", "99999999999999"}) {
    EXPECT_EQ(Chosen(wanted), "none") << wanted;
  }
  EXPECT_EQ(ChooseTable("", {}), nullptr);
}

TEST(Presented, LibraryVersionIsWrittenAsTheReleaseWritesIt) {
  EXPECT_EQ(LibraryVersion({8, 5, 3, 1}), 8503);
  EXPECT_EQ(LibraryVersion({8, 6, 1, 5}), 8601);
  EXPECT_EQ(LibraryVersion({9, 1, 0, 4}), 9100);
  EXPECT_EQ(LibraryVersion({9, 2, 0, 5}), 9200);
  EXPECT_EQ(LibraryVersion({10, 0, 1, 6}), 100001);
  EXPECT_EQ(LibraryVersion({11, 1, 0, 106}), 110100);
  EXPECT_EQ(LibraryVersion({}), 0);
}

TEST(Presented, AVersionIsOfTheReleaseIfTheMajorIs) {
  EXPECT_TRUE(IsVersionOf({9, 2, 0, 5}, 9100));
  EXPECT_TRUE(IsVersionOf({8, 5, 3, 1}, 8601));
  EXPECT_TRUE(IsVersionOf({10, 0, 1, 6}, 101303));
  EXPECT_FALSE(IsVersionOf({9, 2, 0, 5}, 8601));
  EXPECT_FALSE(IsVersionOf({9, 2, 0, 5}, 100001));
  EXPECT_FALSE(IsVersionOf({10, 0, 1, 6}, 9200));
  EXPECT_TRUE(IsVersionOf({1, 7, 1, 116}, 10701));  // TensorRT-RTX
}

TEST(Dtype, EveryOneIsFoundAndFourBitOnesAreNot) {
  for (const tensorrt::DataTypeInfo& dtype : tensorrt::kDataTypes)
    EXPECT_EQ(tensorrt::FindDataType(dtype.type), &dtype);
  EXPECT_EQ(tensorrt::FindDataType(tensorrt::DataType::kINT4), nullptr);
  EXPECT_EQ(tensorrt::FindDataType(tensorrt::DataType::kFP4), nullptr);
  EXPECT_EQ(tensorrt::FindDataType(static_cast<tensorrt::DataType>(-1)), nullptr);
}

}  // namespace
}  // namespace nacelle::reference
