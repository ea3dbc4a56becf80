#include "compiled.hpp"

namespace verydeep {
extern const Loops kAvx512Loops;
const Loops kAvx512Loops = kLoops;
}  // namespace verydeep
