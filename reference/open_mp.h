// The threads that torch's operators run on, and forks.
#ifndef NACELLE_REFERENCE_OPEN_MP_H_
#define NACELLE_REFERENCE_OPEN_MP_H_

namespace nacelle::reference {

// Lets forked children of this process run torch's operators. Without it they wait for ever: torch runs an operator on
// a team of threads of GNU OpenMP, and in a child the forking thread still has its team, whose threads are gone. So
// from now on a thread that forks ends its team before. The next operator, in either process, starts another one.
//
// Does nothing with other implementations of OpenMP, which care for forks themselves. Any thread; later calls do
// nothing.
void PrepareOpenMpForForks();

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_OPEN_MP_H_
