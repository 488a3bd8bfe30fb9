// libnvinfer_plugin.so.11 without plugins. Their registry, which is empty, is the reference engine's.
#pragma GCC visibility push(default)

extern "C" bool initLibNvInferPlugins(void* /*logger*/, const char* /*library_namespace*/) { return true; }

#pragma GCC visibility pop
