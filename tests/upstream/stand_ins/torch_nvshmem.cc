// libtorch_nvshmem.so, memory shared between GPUs: the runtime of Torch-TensorRT 2.14 is linked with it and calls
// nothing of it.
