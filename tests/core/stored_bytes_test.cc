#include "core/stored_bytes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace nacelle {
namespace {

namespace fs = std::filesystem;

std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 4096);
  return bytes;
}

class InFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    setenv("TMPDIR", folder_.c_str(), 1);
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) / "stored";
};

TEST_F(InFolder, WhatIsStoredIsReadBack) {
  for (const size_t size : {1, 4095, 4096, 3 << 20}) {
    const std::string bytes = Bytes(size);
    const auto stored = StoredBytes::InFile(bytes);
    ASSERT_NE(stored, nullptr);
    EXPECT_TRUE(stored->in_file());
    EXPECT_EQ(stored->bytes(), bytes);
    EXPECT_NE(stored->bytes().data(), bytes.data());
  }
}

TEST_F(InFolder, TheFileHasNoName) {
  const auto stored = StoredBytes::InFile(Bytes(10000));
  ASSERT_NE(stored, nullptr);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(InFolder, WhereThereIsNoFolderThereIsNoFile) {
  setenv("TMPDIR", "/nacelle/no/such/folder", 1);
  EXPECT_EQ(StoredBytes::InFile("bytes"), nullptr);
}

TEST_F(InFolder, MemoryOfTheFileIsGivenBack) {
  const auto mapped = [] {
    std::ifstream maps("/proc/self/maps");
    std::string text((std::istreambuf_iterator<char>(maps)), {});
    size_t count = 0;
    for (size_t at = text.find("/stored/"); at != std::string::npos; at = text.find("/stored/", at + 1)) ++count;
    return count;
  };
  auto stored = StoredBytes::InFile(Bytes(1 << 20));
  EXPECT_EQ(mapped(), 1U);
  stored.reset();
  EXPECT_EQ(mapped(), 0U);
}

TEST(StoredBytes, InMemory) {
  const std::string bytes = Bytes(100);
  const StoredBytes stored{std::string(bytes)};
  EXPECT_FALSE(stored.in_file());
  EXPECT_EQ(stored.bytes(), bytes);
  EXPECT_EQ(StoredBytes::InFile(""), nullptr);
}

}  // namespace
}  // namespace nacelle
