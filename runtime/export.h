// Marks the symbols that libtorch_nacelle.so exports. All others are hidden, by -fvisibility=hidden and by the version
// script beside this file.
#ifndef NACELLE_RUNTIME_EXPORT_H_
#define NACELLE_RUNTIME_EXPORT_H_

#define NACELLE_API __attribute__((visibility("default")))

#endif  // NACELLE_RUNTIME_EXPORT_H_
