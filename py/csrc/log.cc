#include "runtime/log.h"

#include <pybind11/pybind11.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/text.h"
#include "py/csrc/bindings.h"
#include "py/csrc/without_gil.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::LogSeverity;

struct Line {
  LogSeverity severity;
  std::string text;
};

// Lines of TensorRT's log on their way to Python.
//
// TensorRT logs on threads of its own, while it and the runtime hold locks, and while the interpreter ends. Nothing
// there may wait for the GIL: another thread may hold that and wait for one of the locks. So a line is put into a
// queue, and a thread of Python takes it out (torch_nacelle._runtime.log).
class LogQueue {
 public:
  // Drops the line, and counts it, if the queue is full.
  void Put(LogSeverity severity, const char* text) {
    Line line{severity, text};
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    if (size_ + line.text.size() > kMaxBytes) {
      ++dropped_;
      return;
    }
    size_ += line.text.size();
    lines_.push_back(std::move(line));
    filled_.notify_one();
  }

  // Waits for lines and returns all there are; none if the queue is closed.
  std::deque<Line> Take() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return closed_ || !lines_.empty(); });
    if (dropped_ > 0) {
      lines_.push_back(
          {LogSeverity::kWarning,
           Cat(dropped_, " messages of TensorRT are missing here: they came faster than they were taken")});
    }
    size_ = 0;
    dropped_ = 0;
    return std::exchange(lines_, {});
  }

  // Takes no more lines. Take returns those there are, then none.
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    filled_.notify_one();
  }

 private:
  static constexpr size_t kMaxBytes = 64 << 20;

  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Line> lines_;
  size_t size_ = 0;
  size_t dropped_ = 0;
  bool closed_ = false;
};

// The number of a level of Python's logging.
int LevelOf(LogSeverity severity) {
  switch (severity) {
    case LogSeverity::kError:
      return 40;
    case LogSeverity::kWarning:
      return 30;
    case LogSeverity::kInfo:
      return 20;
    case LogSeverity::kVerbose:
      return 10;
  }
  return 0;
}

// TensorRT's text may be no UTF-8.
py::str Decoded(const std::string& text) {
  PyObject* const decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::list TakeLines(LogQueue& queue) {
  std::deque<Line> lines;
  {
    const WithoutGil released;
    lines = queue.Take();
  }
  py::list result;
  for (const Line& line : lines) result.append(py::make_tuple(LevelOf(line.severity), Decoded(line.text)));
  return result;
}

std::shared_ptr<LogQueue> MakeQueue() {
  auto queue = std::make_shared<LogQueue>();
  runtime::SetLogFunction([queue](LogSeverity severity, const char* text) { queue->Put(severity, text); });
  return queue;
}

}  // namespace

void BindLog(py::module_& m) {
  py::class_<LogQueue, std::shared_ptr<LogQueue>>(m, "LogQueue")
      .def(py::init(&MakeQueue))
      .def("take", &TakeLines)
      .def("close", &LogQueue::Close);
  m.def("set_log_level", &runtime::SetLogLevel, py::arg("level"));
  m.def("log_level", &runtime::LogLevel);
}

}  // namespace nacelle::python
