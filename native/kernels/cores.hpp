// Which cores the threads run on.
#pragma once

namespace verydeep {

/**
 * Gives each thread of the calling thread's OpenMP team a core of its own, where there are as many threads as cores
 * that the process may use (on Linux; elsewhere, and with fewer or more threads, nothing is done). A thread that slept
 * while another one's core was taken for a moment would else be woken beside that one, and the system leaves two
 * threads on one core for milliseconds while the other has nothing to do. Other processes' threads, and this one's
 * other ones, are as free to choose as before.
 */
void keepToCores(int threads);

}  // namespace verydeep
