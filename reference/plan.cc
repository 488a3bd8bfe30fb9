#include "reference/plan.h"

#include <algorithm>
#include <concepts>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/tensorrt/data_type.h"
#include "core/text.h"

namespace nacelle::reference {
namespace {

constexpr std::string_view kMagic = "nref";
constexpr size_t kChecksumOffset = 16;
constexpr size_t kPayloadOffset = 24;  // the checksum covers everything from here to the end
constexpr uint32_t kDataDependentFlag = 1;
// Minimum bytes of a tensor: name length, dtype, flags, rank, number of profiles.
constexpr size_t kMinTensorBytes = 5 * sizeof(uint32_t);

// Little-endian integers.

template <std::integral T>
T LoadLittleEndian(const char* bytes) {
  std::make_unsigned_t<T> value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<std::make_unsigned_t<T>>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return static_cast<T>(value);
}

template <std::integral T>
void StoreLittleEndian(T value, char* bytes) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> (8 * i));
  }
}

// FNV-1a, eight bytes a step. Each step is one-to-one, so no change within a single word goes unnoticed.
uint64_t Checksum(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  constexpr uint64_t kPrime = 0x00000100000001b3u;
  while (bytes.size() >= sizeof(uint64_t)) {
    hash = (hash ^ LoadLittleEndian<uint64_t>(bytes.data())) * kPrime;
    bytes.remove_prefix(sizeof(uint64_t));
  }
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * kPrime;
  return hash;
}

// Rules.

[[noreturn]] void Refuse(const std::string& field, const std::string& value, const std::string& expected) {
  throw PlanError(Cat("reference plan: ", field, " is ", value, "; wanted ", expected));
}

std::string Extents(const std::vector<int64_t>& extents) { return Cat("[", Join(extents, ", "), "]"); }

std::string KnownDtypes() {
  std::vector<std::string> names;
  for (const tensorrt::DataTypeInfo& dtype : tensorrt::kDataTypes)
    names.push_back(Cat(static_cast<int32_t>(dtype.type), " (", dtype.name, ")"));
  return Join(names, ", ");
}

void CheckRange(const std::string& field, const TensorSpec& tensor, const ShapeRange& range) {
  for (const auto& [name, extents] : {std::pair("min", &range.min), {"opt", &range.opt}, {"max", &range.max}}) {
    if (extents->size() != tensor.shape.size()) {
      Refuse(Cat(field, " ", name), Extents(*extents), Cat(tensor.shape.size(), " extents, as in the tensor's shape"));
    }
  }
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const std::string dimension = Cat(field, " dimension ", i);
    const std::string value = Cat("min ", range.min[i], ", opt ", range.opt[i], ", max ", range.max[i]);
    if (range.min[i] < 0 || range.min[i] > range.opt[i] || range.opt[i] > range.max[i]) {
      Refuse(dimension, value, "0 <= min <= opt <= max");
    }
    if (tensor.shape[i] >= 0 && (range.min[i] != tensor.shape[i] || range.max[i] != tensor.shape[i])) {
      Refuse(dimension, value, Cat(tensor.shape[i], " for all three, as in the tensor's shape"));
    }
  }
}

// Throws unless a tensor of these extents (-1 counts as 1) has at most 2^60 bytes, so that sums of sizes fit an
// int64_t.
void CheckVolume(const std::string& field, const std::vector<int64_t>& extents, int64_t element_bytes) {
  constexpr int64_t kMaxBytes = int64_t{1} << 60;
  int64_t bytes = element_bytes;
  for (const int64_t extent : extents) {
    if (extent > 1 && bytes > kMaxBytes / extent) Refuse(field, Extents(extents), "at most 2^60 bytes");
    bytes *= std::max<int64_t>(extent, 1);
  }
}

// Throws unless a tensor may have `found` profiles in a plan with `profile_count`.
void CheckNumberOfProfiles(const std::string& field, const TensorSpec& tensor, size_t found, bool is_input,
                           int profile_count) {
  const size_t count = is_input && tensor.dynamic() ? static_cast<size_t>(profile_count) : 0;
  if (found != count) {
    Refuse(Cat(field, " number of profiles"), Cat(found),
           !is_input ? "0 for an output" : Cat(count, tensor.dynamic() ? ", one per profile" : " for a fixed shape"));
  }
}

void CheckProfiles(const std::string& field, const TensorSpec& tensor, bool is_input, int profile_count) {
  CheckNumberOfProfiles(field, tensor, tensor.profiles.size(), is_input, profile_count);
  for (size_t i = 0; i < tensor.profiles.size(); ++i) {
    CheckRange(Cat(field, " profile ", i), tensor, tensor.profiles[i]);
    CheckVolume(Cat(field, " profile ", i, " max"), tensor.profiles[i].max,
                tensorrt::FindDataType(tensor.dtype)->bytes);
  }
}

void CheckTensor(const std::string& field, const TensorSpec& tensor, bool is_input, int profile_count) {
  if (tensorrt::FindDataType(tensor.dtype) == nullptr) {
    Refuse(Cat(field, " dtype"), Cat(static_cast<int32_t>(tensor.dtype)), Cat("one of ", KnownDtypes()));
  }
  if (tensor.shape.size() > kMaxRank) {
    Refuse(Cat(field, " rank"), Cat(tensor.shape.size()), Cat("at most ", kMaxRank));
  }
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] < -1) {
      Refuse(Cat(field, " dimension ", i), Cat(tensor.shape[i]), "an extent, or -1 for a dynamic one");
    }
  }
  CheckVolume(Cat(field, " shape"), tensor.shape, tensorrt::FindDataType(tensor.dtype)->bytes);
  if (is_input && tensor.data_dependent) Refuse(Cat(field, " data_dependent"), "true", "false for an input");
  CheckProfiles(field, tensor, is_input, profile_count);
}

void CheckName(const std::string& field, std::string_view name) {
  if (name.find('\0') != std::string_view::npos) Refuse(field, Quote(name), "no zero byte in it");
  if (name.size() > kMaxNameBytes) Refuse(field, Quote(name), Cat("at most ", kMaxNameBytes, " bytes"));
}

void CheckNumberOfTensors(const std::string& role, size_t count) {
  if (count > kMaxTensors) Refuse(Cat("number of ", role, "s"), Cat(count), Cat("at most ", kMaxTensors));
}

void CheckProfileCount(int count) {
  if (count < 1 || count > kMaxProfiles) Refuse("number of profiles", Cat(count), Cat("1 to ", kMaxProfiles));
}

void CheckTensors(const char* role, const std::vector<TensorSpec>& tensors, bool is_input, int profile_count) {
  CheckNumberOfTensors(role, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorSpec& tensor = tensors[i];
    const std::string field = Cat(role, " ", i, " (", Quote(tensor.name), ")");
    CheckName(Cat(field, " name"), tensor.name);
    if (tensor.name.empty()) Refuse(Cat(field, " name"), "empty", "a name");
    CheckTensor(field, tensor, is_input, profile_count);
  }
}

void CheckNames(const std::vector<TensorSpec>& inputs, const std::vector<TensorSpec>& outputs) {
  std::vector<std::string_view> names;
  for (const TensorSpec& tensor : inputs) names.push_back(tensor.name);
  for (const TensorSpec& tensor : outputs) names.push_back(tensor.name);
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
    Refuse("tensor name", Cat(Quote(*twice), " twice"), "a name of its own for every input and output");
  }
}

// Writing.

class Writer {
 public:
  template <std::integral T>
  void Number(T value) {
    char bytes[sizeof(T)];
    StoreLittleEndian(value, bytes);
    out_.append(bytes, sizeof(T));
  }
  void Text(std::string_view text) {
    Number(static_cast<uint32_t>(text.size()));
    out_ += text;
  }
  void Numbers(const std::vector<int64_t>& values) {
    for (const int64_t value : values) Number(value);
  }
  void Tensor(const TensorSpec& tensor) {
    Text(tensor.name);
    Number(static_cast<int32_t>(tensor.dtype));
    Number(tensor.data_dependent ? kDataDependentFlag : uint32_t{0});
    Number(static_cast<uint32_t>(tensor.shape.size()));
    Numbers(tensor.shape);
    Number(static_cast<uint32_t>(tensor.profiles.size()));
    for (const ShapeRange& range : tensor.profiles) {
      Numbers(range.min);
      Numbers(range.opt);
      Numbers(range.max);
    }
  }
  void Tensors(const std::vector<TensorSpec>& tensors) {
    Number(static_cast<uint32_t>(tensors.size()));
    for (const TensorSpec& tensor : tensors) Tensor(tensor);
  }
  void Bytes(std::string_view bytes) { out_ += bytes; }

  std::string Finish() && {
    StoreLittleEndian(static_cast<uint64_t>(out_.size()), out_.data() + kChecksumOffset - sizeof(uint64_t));
    StoreLittleEndian(Checksum(std::string_view(out_).substr(kPayloadOffset)), out_.data() + kChecksumOffset);
    return std::move(out_);
  }

 private:
  std::string out_;
};

// Reading.

// A cursor that never leaves the bytes. It compares counts with the bytes that are left before it allocates for them.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <std::integral T>
  T Number(const std::string& field) {
    return LoadLittleEndian<T>(Take(sizeof(T), field).data());
  }
  uint32_t Count(const std::string& field, size_t min_bytes_each) {
    const auto count = Number<uint32_t>(field);
    if (count > left() / min_bytes_each) {
      Refuse(Cat(field, " (", count, ", ending at byte ", offset_, ")"),
             Cat("too large for the ", left(), " bytes that follow"), Cat("at most ", left() / min_bytes_each));
    }
    return count;
  }
  std::string Text(const std::string& field) {
    const uint32_t size = Count(Cat(field, " length"), 1);
    return std::string(Take(size, field));
  }
  std::vector<int64_t> Numbers(const std::string& field, size_t count) {
    const std::string_view bytes = Take(count * sizeof(int64_t), field);
    std::vector<int64_t> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = LoadLittleEndian<int64_t>(bytes.data() + i * sizeof(int64_t));
    return values;
  }
  std::string_view Take(size_t size, const std::string& field) {
    if (size > left()) {
      Refuse(Cat(field, " at byte ", offset_), Cat("cut off: ", left(), " bytes are left"), Cat(size, " bytes"));
    }
    const std::string_view taken = bytes_.substr(offset_, size);
    offset_ += size;
    return taken;
  }
  size_t left() const { return bytes_.size() - offset_; }

 private:
  std::string_view bytes_;
  size_t offset_ = 0;
};

// The numbers of tensors and of profiles are checked before anything is allocated for them, the other rules when the
// whole plan is read.
TensorSpec ReadTensor(Reader& reader, const std::string& role, bool is_input, int profile_count) {
  TensorSpec tensor;
  tensor.name = reader.Text(Cat(role, " name"));
  const std::string field = Cat(role, " (", Quote(tensor.name), ")");
  tensor.dtype = static_cast<tensorrt::DataType>(reader.Number<int32_t>(Cat(field, " dtype")));
  const auto flags = reader.Number<uint32_t>(Cat(field, " flags"));
  if ((flags & ~kDataDependentFlag) != 0) Refuse(Cat(field, " flags"), Cat(flags), "0 or 1 (data dependent)");
  tensor.data_dependent = (flags & kDataDependentFlag) != 0;
  const auto rank = reader.Number<uint32_t>(Cat(field, " rank"));
  if (rank > kMaxRank) Refuse(Cat(field, " rank"), Cat(rank), Cat("at most ", kMaxRank));
  tensor.shape = reader.Numbers(Cat(field, " shape"), rank);
  const auto profiles = reader.Number<uint32_t>(Cat(field, " number of profiles"));
  CheckNumberOfProfiles(field, tensor, profiles, is_input, profile_count);
  tensor.profiles.resize(profiles);
  for (size_t i = 0; i < tensor.profiles.size(); ++i) {
    const std::string profile = Cat(field, " profile ", i);
    tensor.profiles[i].min = reader.Numbers(Cat(profile, " min"), rank);
    tensor.profiles[i].opt = reader.Numbers(Cat(profile, " opt"), rank);
    tensor.profiles[i].max = reader.Numbers(Cat(profile, " max"), rank);
  }
  return tensor;
}

std::vector<TensorSpec> ReadTensors(Reader& reader, const char* role, bool is_input, int profile_count) {
  const uint32_t count = reader.Count(Cat("number of ", role, "s"), kMinTensorBytes);
  CheckNumberOfTensors(role, count);
  std::vector<TensorSpec> tensors(count);
  for (size_t i = 0; i < count; ++i) tensors[i] = ReadTensor(reader, Cat(role, " ", i), is_input, profile_count);
  return tensors;
}

// Reads magic, format version, size and checksum. Throws unless the first three are those of a plan of `size` bytes in
// the known format; returns the checksum.
uint64_t ReadEnvelope(Reader& reader, size_t size) {
  const std::string_view magic = reader.Take(kMagic.size(), "magic");
  if (magic != kMagic) Refuse("magic at byte 0", Quote(magic), Quote(kMagic));
  const auto version = reader.Number<uint32_t>("format version");
  if (version != kPlanFormatVersion) {
    Refuse("format version at byte 4", Cat(version),
           Cat(kPlanFormatVersion, "; build the plan again with this release of Nacelle, or run it with a later one"));
  }
  const auto written = reader.Number<uint64_t>("plan size");
  if (written != size) Refuse("plan size at byte 8", Cat(written), Cat(size, ", the bytes that there are"));
  return reader.Number<uint64_t>("checksum");
}

// Reads all between envelope and module.
Plan ReadParts(Reader& reader) {
  Plan plan;
  plan.profile_count = reader.Number<int32_t>("number of profiles");
  CheckProfileCount(plan.profile_count);
  plan.name = reader.Text("engine name");
  plan.inputs = ReadTensors(reader, "input", /*is_input=*/true, plan.profile_count);
  plan.outputs = ReadTensors(reader, "output", /*is_input=*/false, plan.profile_count);
  return plan;
}

void CheckDescription(const Plan& plan) {
  CheckInputs(plan.inputs, plan.profile_count);
  CheckName("engine name", plan.name);
  CheckTensors("output", plan.outputs, /*is_input=*/false, plan.profile_count);
  if (plan.outputs.empty()) Refuse("number of outputs", "0", "at least 1");
  CheckNames(plan.inputs, plan.outputs);
}

}  // namespace

bool TensorSpec::dynamic() const { return std::ranges::find(shape, -1) != shape.end(); }

void CheckInputs(const std::vector<TensorSpec>& inputs, int profile_count) {
  CheckProfileCount(profile_count);
  CheckTensors("input", inputs, /*is_input=*/true, profile_count);
  CheckNames(inputs, {});
}

void CheckPlan(const Plan& plan) {
  CheckDescription(plan);
  if (plan.module.empty()) Refuse("module", "empty", "the bytes of a TorchScript archive");
}

std::string WritePlan(const Plan& plan) {
  CheckPlan(plan);
  Writer writer;
  writer.Bytes(kMagic);
  writer.Number(kPlanFormatVersion);
  writer.Number(uint64_t{0});  // size and checksum: set at the end
  writer.Number(uint64_t{0});
  writer.Number(static_cast<int32_t>(plan.profile_count));
  writer.Text(plan.name);
  writer.Tensors(plan.inputs);
  writer.Tensors(plan.outputs);
  writer.Number(static_cast<uint64_t>(plan.module.size()));
  writer.Bytes(plan.module);
  return std::move(writer).Finish();
}

Plan ReadDescription(std::string_view start, size_t size) {
  Reader reader(start);
  ReadEnvelope(reader, size);
  Plan plan = ReadParts(reader);
  CheckDescription(plan);
  return plan;
}

Plan ReadPlan(std::string_view bytes) {
  Reader reader(bytes);
  const uint64_t checksum = ReadEnvelope(reader, bytes.size());
  const uint64_t actual = Checksum(bytes.substr(kPayloadOffset));
  if (checksum != actual) {
    Refuse("checksum at byte 16", Cat(checksum),
           Cat(actual, ", the checksum of the bytes after it; the plan is damaged"));
  }
  Plan plan = ReadParts(reader);
  const auto module_size = reader.Number<uint64_t>("module size");
  if (module_size != reader.left()) {
    Refuse("module size", Cat(module_size), Cat(reader.left(), ", the bytes that are left"));
  }
  plan.module = reader.Take(module_size, "module");
  CheckPlan(plan);
  return plan;
}

}  // namespace nacelle::reference
