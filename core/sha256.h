// SHA-256 of FIPS 180-4, for identities of content: nobody can make two contents that share one.
//
//   Sha256 hash;
//   hash.Add(header);
//   hash.Add(plan);
//   std::cout << hash.Hex();  // 64 hexadecimal digits
#ifndef NACELLE_CORE_SHA256_H_
#define NACELLE_CORE_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nacelle {

// Hashes bytes that are added piece by piece. A plain value: one thread at a time.
class Sha256 {
 public:
  // Adds `bytes`, which are read once and not copied, but for the last few.
  void Add(std::string_view bytes);

  // Returns the hash of all bytes so far, as hexadecimal digits in lower case. More can be added afterwards.
  std::string Hex() const;

 private:
  static constexpr size_t kBlock = 64;

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, kBlock> pending_ = {};  // the first size_ % kBlock bytes wait for the rest of their block
  uint64_t size_ = 0;                               // bytes
};

}  // namespace nacelle

#endif  // NACELLE_CORE_SHA256_H_
