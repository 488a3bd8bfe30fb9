// What libtorch_nacelle.so shows to other libraries. Everything else is hidden, by -fvisibility=hidden and by the
// version script beside it.
#ifndef NACELLE_RUNTIME_EXPORT_H_
#define NACELLE_RUNTIME_EXPORT_H_

#define NACELLE_API __attribute__((visibility("default")))

#endif  // NACELLE_RUNTIME_EXPORT_H_
