#include "runtime/reference/module_pickle.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "core/error.h"
#include "core/text.h"
#include "tests/core/throws.h"

namespace nacelle::reference {
namespace {

using namespace std::string_literals;
using testing_support::ExpectHas;
using testing_support::MessageOf;

// One record, "0", of 24 bytes.
std::optional<size_t> RecordSize(const std::string& key) {
  return key == "0" ? std::optional<size_t>(24) : std::nullopt;
}

std::string Whole(const std::string& body) { return "\x80\x02"s + body + "."; }

size_t Constants(const std::string& body) {
  const std::string bytes = Whole(body);
  return CheckConstants({"constants.pkl", bytes, RecordSize});
}

void ExpectRefused(const std::string& body, const std::string& message) {
  ExpectHas(MessageOf<PlanError>([&] { Constants(body); }), message);
}

void Module(const std::string& body, const std::map<std::string, ValueType>& attributes) {
  const std::string bytes = Whole(body);
  CheckModuleValues({"data.pkl", bytes, RecordSize}, "__torch__.ReferenceNetwork", attributes);
}

std::string Text(const std::string& text) { return Cat("X", static_cast<char>(text.size()), "\0\0\0"s, text); }

std::string Int(int64_t number) {
  std::string bytes = "\x8a\x08"s;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<uint64_t>(number) >> (8 * i));
  return bytes;
}

std::string Memory(int64_t elements, const std::string& key = "0", const std::string& dtype = "Float") {
  return Cat("(", Text("storage"), "ctorch\n", dtype, "Storage\n", Text(key), Text("cpu"), Int(elements), "tQ");
}

std::string Tensor(const std::string& memory, int64_t offset, int64_t rows, int64_t stride) {
  return Cat("ctorch._utils\n_rebuild_tensor_v2\n(", memory, Int(offset), "(", Int(rows), Int(3), "t(", Int(stride),
             Int(1), "t\x89", "ccollections\nOrderedDict\n)RtR");
}

std::string Times(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(ModulePickle, ReadsWhatTorchWrites) {
  EXPECT_EQ(Constants(")"), 0u);
  EXPECT_EQ(Constants(Tensor(Memory(6), 0, 2, 3) + "\x85"), 1u);
  EXPECT_EQ(Constants("(" + Text("a") + "K\x01NG\x3f\xf8\0\0\0\0\0\0\x88](K\x01K\x02"s + "et"), 6u);
  EXPECT_NO_THROW(Module("c__torch__\nReferenceNetwork\n)\x81}(ub", {}));
  EXPECT_NO_THROW(Module("c__torch__\nReferenceNetwork\n)\x81}(" + Text("w") + Tensor(Memory(6), 0, 2, 3) + "ub",
                         {{"w", {"Tensor", {}}}}));
}

TEST(ModulePickle, TensorsStayInTheirMemory) {
  ExpectRefused(Tensor(Memory(7), 0, 2, 3) + "\x85", "memory of 28 bytes; its record 0 has 24");
  ExpectRefused(Tensor(Memory(6, "1"), 0, 2, 3) + "\x85", "since there is none");
  ExpectRefused(Tensor(Memory(6, "0", "Double"), 0, 2, 3) + "\x85", "memory of 48 bytes");
  ExpectRefused(Tensor(Memory(6, "../0"), 0, 2, 3) + "\x85", "wanted a number");
  ExpectRefused(Tensor(Memory(-1), 0, 2, 3) + "\x85", "memory of -1 elements");
  ExpectRefused(Tensor(Memory(6), 1, 2, 3) + "\x85", "reaches beyond its memory");
  ExpectRefused(Tensor(Memory(6), -1, 2, 3) + "\x85", "reaches beyond its memory");
  ExpectRefused(Tensor(Memory(6), 0, 3, 3) + "\x85", "reaches beyond its memory");
  ExpectRefused(Tensor(Memory(6), 0, 2, 4) + "\x85", "reaches beyond its memory");
  ExpectRefused(Tensor(Memory(6), 0, 2, INT64_MAX) + "\x85", "reaches beyond its memory");
  ExpectRefused(Tensor(Memory(6), 0, INT64_MAX, INT64_MAX) + "\x85", "reaches beyond its memory");
  ExpectRefused(Tensor(Memory(6), 0, -2, 3) + "\x85", "extent or stride -2");
  ExpectRefused(Tensor(Memory(6), 0, 2, -3) + "\x85", "extent or stride -3");
}

TEST(ModulePickle, RefusesOtherNames) {
  ExpectRefused("cos\nsystem\n(" + Text("id") + "tR\x85", "\"os.system\"");
  ExpectRefused("c__torch__\nReferenceNetwork\n)\x81}b\x85", "\"__torch__.ReferenceNetwork\"");
  ExpectRefused("c__torch__.torch.classes.tensorrt\nEngine\n)\x81}b\x85", "classes.tensorrt.Engine");
  ExpectRefused("ctorch.distributed.rpc\nrref\n", "torch.distributed.rpc.rref");
  ExpectRefused("c__main__\nTensorID\n", "__main__.TensorID");
}

TEST(ModulePickle, RefusesContainersThatHoldThemselves) {
  ExpectRefused("]q\0(h\0e\x85"s, "holds itself");
  ExpectRefused("]q\0]q\1(h\0e0"s, "opcode");
  ExpectRefused("]q\0]q\1(h\0eh\0(h\1e\x85"s, "fills a container twice");
  ExpectRefused("](K\1e(K\1e\x85"s, "fills a container twice");
}

TEST(ModulePickle, RefusesDepthAndRepetition) {
  constexpr int kDeep = 200000;
  ExpectRefused(Times("(", kDeep) + Times("t", kDeep), "deeper than 64");
  ExpectRefused(")" + Times("\x85", kDeep), "deeper than 64");
  std::string doubled = ")q\0"s;
  for (char i = 0; i < 40; ++i) doubled += Cat("h", i, "h", i, "\x86q", static_cast<char>(i + 1));
  ExpectRefused(doubled, "repeats values inside one another");
}

TEST(ModulePickle, RefusesWhatIsOutOfTurn) {
  ExpectRefused("]r\xff\xff\xff\x7f\x85", "out of turn");
  ExpectRefused(")h\x05", "recalls value 5 of 0");
  ExpectRefused("\x85", "takes values that are not there");
  ExpectRefused("(\x85", "takes values that are not there");
  ExpectRefused("t", "takes values that are not there");
  ExpectRefused("R", "takes a value that is not there");
  ExpectRefused("))", "leaves other values");
  ExpectRefused("(", "leaves other values");
  ExpectRefused(").", "goes on after its end");
  ExpectRefused("X\xff\xff\xff\x7f", "is cut off");
  ExpectRefused("K\x01", "holds an int; wanted a tuple");
  ExpectRefused("}()Nu\x85", "a tuple as a key");
  ExpectRefused("}(Nu\x85", "a key and no value");
}

TEST(ModulePickle, AttributesAreThoseOfTheClass) {
  const std::string begin = "c__torch__\nReferenceNetwork\n)\x81}(", end = "ub";
  const auto refused = [&](const std::string& values, const std::string& message) {
    ExpectHas(MessageOf<PlanError>([&] { Module(begin + values + end, {{"a", {"int", {}}}}); }), message);
  };
  EXPECT_NO_THROW(Module(begin + Text("a") + "K\x01" + end, {{"a", {"int", {}}}}));
  refused("", "has 0 attributes; its class has 1");
  refused(Text("a") + "K\x01" + Text("a") + "K\x01", "attribute \"a\", which its class does not have, or twice");
  refused(Text("b") + "K\x01", "attribute \"b\", which its class does not have");
  refused(Text("a") + Text("text"), "a text as attribute \"a\", whose type is int");
  ExpectHas(MessageOf<PlanError>([] { Module("K\x01", {}); }), "holds an int; wanted the module");
  ExpectHas(MessageOf<PlanError>([] {
              Module(
                  "c__torch__\nReferenceNetwork\n)\x81K\x01"
                  "b",
                  {});
            }),
            "a dict");
}

TEST(ModulePickle, TypesAreThoseOfTheValues) {
  const auto tagged = [](const std::string& value, const std::string& type) {
    return Cat("ctorch.jit._pickle\nrestore_type_tag\n(", value, Text(type), "tR\x85");
  };
  EXPECT_EQ(Constants(tagged("](K\x01"
                             "e",
                             "List[int]")),
            1u);
  EXPECT_EQ(Constants(tagged("](K\x01Ne", "List[Optional[int]]")), 1u);
  ExpectRefused(tagged("](K\x01"
                       "e",
                       "List[Tensor]"),
                "whose type is List");
  ExpectRefused(tagged("](K\x01"
                       "e",
                       "Dict[int, int]"),
                "whose type is Dict");
  ExpectRefused(tagged("]", "List[__torch__.Other]"), "type is \"__torch__.Other\"");
  ExpectRefused(tagged("]", "List[int]]"), "one type and nothing after it");
}

TEST(ModulePickle, NoEndIsRunOver) {
  const std::string whole = Whole(Tensor(Memory(6), 0, 2, 3) + "\x85");
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    EXPECT_THROW(CheckConstants({"constants.pkl", cut, RecordSize}), PlanError) << size;
  }
}

}  // namespace
}  // namespace nacelle::reference
