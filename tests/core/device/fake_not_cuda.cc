// A library that opens, and has the first of the driver's functions alone.
extern "C" __attribute__((visibility("default"))) int cuInit(unsigned int) { return 0; }
