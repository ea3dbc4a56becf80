#include "compiled.hpp"

namespace verydeep {
extern const Loops kAvx2Loops;
const Loops kAvx2Loops = kLoops;
}  // namespace verydeep
