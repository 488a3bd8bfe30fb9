#include "core/tensorrt/builder/onnx_parser.h"

#include <utility>

#include "core/error.h"
#include "core/tensorrt/builder/parser_slots.h"
#include "core/tensorrt/library_object.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

// The slots are known: BuilderLibrary::Open refuses other libraries.
ParserSlots SlotsOf(const Library& library) { return ParserSlotsOf(library.table().release.major).value(); }

std::string Text(const char* text) { return text == nullptr ? "" : text; }

}  // namespace

OnnxParser::OnnxParser(std::shared_ptr<const BuilderLibrary> library, void* network)
    : library_(std::move(library)), parser_(library_->CreateParserObject(network)) {
  if (parser_ == nullptr) {
    throw LibraryError(Cat("the ONNX parser ", library_->parser_path(), " does not work with ",
                           library_->library()->Describe(), ": are both of the same release?"));
  }
}

OnnxParser::~OnnxParser() { CallSlot<void>(parser_, SlotsOf(*library_->library()).remove); }

void OnnxParser::Parse(std::string_view model, const std::string& path) {
  const MessageScope messages;
  const ParserSlots slots = SlotsOf(*library_->library());
  const bool parsed = CallSlot<bool, const void*, size_t, const char*>(parser_, slots.parse, model.data(), model.size(),
                                                                       path.empty() ? nullptr : path.c_str());
  if (parsed) return;
  const std::string speaker = library_->library()->Describe();
  // The parser logs the same errors in more words; before 10.0 only the log names the node and its operator.
  std::string errors = Errors();
  if (errors.empty() || library_->library()->table().release.major < 10) errors += messages.ErrorSuffix(speaker);
  throw InputError(Cat(speaker, " cannot read the ONNX model of ", model.size(), " bytes", errors));
}

std::string OnnxParser::Errors() const {
  const ParserSlots slots = SlotsOf(*library_->library());
  std::string all;
  const int32_t count = CallSlot<int32_t>(parser_, slots.num_errors);
  for (int32_t i = 0; i < count; ++i) {
    void* const error = CallSlot<void*, int32_t>(parser_, slots.get_error, i);
    if (error == nullptr) continue;
    const int32_t node = CallSlot<int32_t>(error, parser_error::kNode);
    all += node >= 0 ? Cat("; node ", node) : std::string("; the model");
    if (node >= 0 && library_->library()->table().release.major >= 10) {
      all += Cat(" (", Quote(Text(CallSlot<const char*>(error, parser_error::kNodeName))), ", operator ",
                 Text(CallSlot<const char*>(error, parser_error::kNodeOperator)), ")");
    }
    all += Cat(": ", Text(CallSlot<const char*>(error, parser_error::kDescription)));
  }
  return all;
}

}  // namespace nacelle::tensorrt
