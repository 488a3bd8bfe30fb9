// Prints the slot tables that are compiled in, a line for each slot: release, width of extents, class, slot, method.
// After them flags in the same way: enum, number, enumerator.
#include <cstdio>
#include <string>
#include <utility>

#include "core/tensorrt/builder/layer_slots.h"
#include "core/tensorrt/builder/parser_slots.h"
#include "core/tensorrt/slot_table.h"

namespace {

using nacelle::tensorrt::Method;
using nacelle::tensorrt::SlotTable;

void PrintRow(const std::string& release, const SlotTable& table, const std::string& name, int number) {
  std::printf("%s %d %s %d %s\n", release.c_str(), table.dims64 ? 64 : 32, name.substr(0, name.find(':')).c_str(),
              number, name.c_str());
}

// The functions of layers that are called, which are in no table.
void PrintLayer(const std::string& release, const SlotTable& table) {
  namespace layer = nacelle::tensorrt::layer;
  if (table.release.major >= 11) return;
  for (const auto& [name, slot] : {std::pair("Layer::getName", layer::kName),
                                   {"Layer::getNbInputs", layer::kNumInputs},
                                   {"Layer::getNbOutputs", layer::kNumOutputs},
                                   {"Layer::getOutput", layer::kOutput},
                                   {"Layer::setPrecision", layer::kSetPrecision},
                                   {"Layer::setOutputType", layer::kSetOutputType}}) {
    PrintRow(release, table, name, slot);
  }
}

// The ONNX parser's functions that are called, which are in no table.
void PrintParser(const std::string& release, const SlotTable& table) {
  namespace error = nacelle::tensorrt::parser_error;
  const auto known = nacelle::tensorrt::ParserSlotsOf(table.release.major);
  if (!known) return;
  const auto& slots = *known;
  const bool named = table.release.major >= 10;
  for (const auto& [name, slot] : {std::pair("Parser::parse", slots.parse),
                                   {"Parser::getNbErrors", slots.num_errors},
                                   {"Parser::getError", slots.get_error},
                                   {named ? "Parser::delete" : "Parser::destroy", slots.remove},
                                   {"ParserError::desc", error::kDescription},
                                   {"ParserError::node", error::kNode},
                                   {"ParserError::nodeName", named ? error::kNodeName : -1},
                                   {"ParserError::nodeOperator", named ? error::kNodeOperator : -1}}) {
    if (slot >= 0) PrintRow(release, table, name, slot);
  }
}

void Print(const std::string& release, const SlotTable& table) {
  for (size_t i = 0; i < nacelle::tensorrt::kMethodCount; ++i) {
    const auto method = static_cast<Method>(i);
    const std::string name = nacelle::tensorrt::MethodName(method);
    if (!table.has(method)) continue;
    PrintRow(release, table, name, table.slot(method));
  }
  PrintParser(release, table);
  PrintLayer(release, table);
  for (size_t i = 0; i < nacelle::tensorrt::kFlagCount; ++i) {
    const auto flag = static_cast<nacelle::tensorrt::Flag>(i);
    if (table.bit(flag) < 0) continue;
    const std::string name = nacelle::tensorrt::FlagName(flag);
    PrintRow(release, table, name, table.bit(flag));
  }
}

}  // namespace

int main() {
  for (const SlotTable& table : nacelle::tensorrt::SlotTables()) Print(table.release.ToString(), table);
  Print("RTX-" + nacelle::tensorrt::RtxRelease().ToString(), nacelle::tensorrt::RtxSlotTable());
}
