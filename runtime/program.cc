#include "runtime/program.h"

#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/text.h"
#include "runtime/internal/choose_device.h"

namespace nacelle::runtime {
namespace {

using c10::IValue;

const c10::ClassTypePtr& EngineType() {
  static const c10::ClassTypePtr type = c10::getCustomClassType<c10::intrusive_ptr<Engine>>();
  return type;
}

// Walks values depth first and collects engines; a container that is reached twice is entered once.
class Finder {
 public:
  void Visit(const IValue& value, const std::string& path) {
    if (value.isObject()) {
      VisitObject(value, path);
    } else if (value.isList()) {
      if (Entered(value)) return;
      const c10::ArrayRef<IValue> items = value.toListRef();
      for (size_t i = 0; i < items.size(); ++i) Visit(items[i], Cat(path, "[", i, "]"));
    } else if (value.isTuple()) {
      const auto& elements = value.toTupleRef().elements();
      for (size_t i = 0; i < elements.size(); ++i) Visit(elements[i], Cat(path, "[", i, "]"));
    } else if (value.isGenericDict()) {
      if (Entered(value)) return;
      for (const auto& item : value.toGenericDict()) Visit(item.value(), Cat(path, "[", KeyText(item.key()), "]"));
    }
  }

  std::vector<EngineSite> sites;

 private:
  bool Entered(const IValue& value) { return !entered_.insert(value.internalToPointer()).second; }

  static std::string KeyText(const IValue& key) {
    if (key.isString()) return Quote(key.toStringRef());
    if (key.isInt()) return Cat(key.toInt());
    std::ostringstream text;
    text << key;
    return text.str();
  }

  void VisitObject(const IValue& value, const std::string& path) {
    const c10::ivalue::Object& object = value.toObjectRef();
    const c10::ClassTypePtr type = object.type();
    if (*type == *EngineType()) {
      sites.push_back({path, value});
      return;
    }
    if (Entered(value)) return;
    const std::string prefix = path.empty() ? "" : path + ".";
    for (size_t i = 0; i < type->numAttributes(); ++i) Visit(object.getSlot(i), prefix + type->getAttributeName(i));
    for (torch::jit::Function* method : type->methods()) {
      if (auto* graph_function = torch::jit::tryToGraphFunction(*method)) {
        constant_ = 0;
        VisitBlock(*graph_function->graph()->block(), prefix + method->name());
      }
    }
  }

  void VisitBlock(const torch::jit::Block& block, const std::string& path) {
    for (const torch::jit::Node* node : block.nodes()) {
      if (node->kind() == c10::prim::Constant && node->hasAttribute(c10::attr::value) &&
          node->kindOf(c10::attr::value) == torch::jit::AttributeKind::ival) {
        const IValue& value = node->ival(c10::attr::value);
        const size_t before = sites.size();
        Visit(value, Cat(path, ":constant[", constant_, "]"));
        if (sites.size() != before) ++constant_;
      }
      for (const torch::jit::Block* inner : node->blocks()) VisitBlock(*inner, path);
    }
  }

  std::unordered_set<const void*> entered_;
  size_t constant_ = 0;  // engines seen as constants in the graph at hand
};

// Returns the record with the GPU that `settings` choose; a record of an engine for the CPU stays as it is.
record::Record OnDeviceOf(const Settings& settings, record::Record record) {
  try {
    const c10::Device chosen = ChooseDevice(record, plan::ParsePlanHeader(record.plan), settings);
    if (chosen.is_cuda()) record.device = RecordedGpu(chosen);
  } catch (const Error& error) {
    throw Error(error.kind(), Cat("engine ", Quote(record.name), " cannot be moved: ", error.what()));
  }
  return record;
}

// Returns the engine set up on another device.
c10::intrusive_ptr<Engine> Moved(const Engine& engine, c10::Device device) {
  Settings settings = engine.settings();
  settings.device = device;
  auto moved = c10::make_intrusive<Engine>(OnDeviceOf(settings, engine.CompleteRecord()), settings);
  moved->loaded();  // throws if it cannot run there
  return moved;
}

}  // namespace

EngineHolder::EngineHolder(const torch::jit::Module& module) : values_{{"", module._ivalue()}} {}

EngineHolder::EngineHolder(const std::unordered_map<std::string, IValue>& objects)
    : values_(objects.begin(), objects.end()) {
  // The shorter one first: torch's names end in numbers.
  const auto key = [](const auto& value) { return std::pair(value.first.size(), std::string_view(value.first)); };
  std::sort(values_.begin(), values_.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
}

c10::intrusive_ptr<Engine> EngineSite::engine() const { return object.toCustomClass<Engine>(); }

std::vector<EngineSite> FindEngines(const EngineHolder& program, const std::optional<std::string>& path) {
  Finder finder;
  for (const auto& [name, value] : program.values()) finder.Visit(value, name);
  std::vector<EngineSite> sites = std::move(finder.sites);
  if (!path) return sites;
  std::vector<std::string> known;
  for (const EngineSite& site : sites) known.push_back(site.path);
  std::erase_if(sites, [&](const EngineSite& site) { return site.path != *path; });
  if (sites.empty()) throw InputError(Cat("there is no engine ", Quote(*path), "; there are: ", Join(known, ", ")));
  return sites;
}

void ConfigureEngines(const EngineHolder& program, const std::function<void(Settings&)>& change,
                      const std::optional<std::string>& path) {
  for (const EngineSite& site : FindEngines(program, path)) {
    const c10::intrusive_ptr<Engine> engine = site.engine();
    Settings settings = engine->settings();
    change(settings);
    engine->Configure(settings);
  }
}

void ReplaceEngines(const EngineHolder& program,
                    const std::function<c10::intrusive_ptr<Engine>(const EngineSite&)>& replacement) {
  std::vector<std::pair<IValue, IValue>> changes;  // the object, its new capsule
  std::unordered_set<const void*> seen;
  for (const EngineSite& site : FindEngines(program)) {
    if (!seen.insert(site.object.internalToPointer()).second) continue;
    changes.emplace_back(site.object, IValue::make_capsule(replacement(site)));
  }
  // A custom-class object is a box with one slot, so a new engine reaches every place that holds the box.
  for (auto& [object, capsule] : changes) object.toObject()->setSlot(0, std::move(capsule));
}

void MoveEngines(const EngineHolder& program, c10::Device device) {
  ReplaceEngines(program, [&](const EngineSite& site) { return Moved(*site.engine(), device); });
}

}  // namespace nacelle::runtime
