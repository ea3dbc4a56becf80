// Pins threads to cores.
#pragma once

namespace verydeep {

/**
 * Pins each thread of the calling thread's OpenMP team to one core if there are exactly as many threads as cores that
 * the process may use. Does nothing otherwise, or on systems other than Linux. Without it, the system may wake a thread
 * on another thread's core and leave the two there for milliseconds while another core is idle. Other threads of this
 * process, and other processes, are not pinned.
 */
void keepToCores(int threads);

}  // namespace verydeep
