#include "core/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace nacelle {
namespace {

std::string HashOf(std::string_view bytes) {
  Sha256 hash;
  hash.Add(bytes);
  return hash.Hex();
}

// The examples that NIST publishes for FIPS 180-4.
TEST(Sha256, GivesThePublishedHashes) {
  EXPECT_EQ(HashOf(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HashOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(HashOf(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Lengths around the ends of blocks and of the padding, which python3 -c 'hashlib.sha256(bytes(n))' gave.
TEST(Sha256, PadsEveryLength) {
  EXPECT_EQ(HashOf(std::string(1, '\0')), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  EXPECT_EQ(HashOf(std::string(55, '\0')), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
  EXPECT_EQ(HashOf(std::string(56, '\0')), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
  EXPECT_EQ(HashOf(std::string(63, '\0')), "c7723fa1e0127975e49e62e753db53924c1bd84b8ac1ac08df78d09270f3d971");
  EXPECT_EQ(HashOf(std::string(64, '\0')), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
  EXPECT_EQ(HashOf(std::string(65, '\0')), "98ce42deef51d40269d542f5314bef2c7468d401ad5d85168bfab4c0108f75f7");
  EXPECT_EQ(HashOf(std::string(119, '\0')), "f616b0d54e78571a9611f343c9f8e022e859e920381ab0e4d3da01e193a7bd7e");
  EXPECT_EQ(HashOf(std::string(120, '\0')), "6edd9f6f9cc92cded36e6c4a580933f9c9f1b90562b46903b806f21902a1a54f");
  EXPECT_EQ(HashOf(std::string(128, '\0')), "38723a2e5e8a17aa7950dc008209944e898f69a7bd10a23c839d341e935fd5ca");
}

TEST(Sha256, PiecesGiveTheHashOfTheWhole) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i * 7);
  const std::string whole = HashOf(bytes);
  for (const size_t piece : {1, 3, 55, 63, 64, 65, 128, 200}) {
    Sha256 hash;
    for (size_t at = 0; at < bytes.size(); at += piece) hash.Add(std::string_view(bytes).substr(at, piece));
    EXPECT_EQ(hash.Hex(), whole) << piece;
  }
}

TEST(Sha256, MoreCanBeAddedAfterAHash) {
  Sha256 hash;
  hash.Add("ab");
  EXPECT_EQ(hash.Hex(), HashOf("ab"));
  hash.Add("c");
  EXPECT_EQ(hash.Hex(), HashOf("abc"));
}

}  // namespace
}  // namespace nacelle
