// Pins threads to cores.
#pragma once

namespace verydeep {

/**
 * Pins each thread of the calling thread's OpenMP team to one core, if there are as many threads as cores that the
 * process may use (on Linux; elsewhere, or with fewer or more threads, it does nothing). Without it, the system may wake
 * a thread on the core of another one and leave two threads on one core for milliseconds while another core is idle.
 * Threads of other processes, and this process's other threads, stay free.
 */
void keepToCores(int threads);

}  // namespace verydeep
