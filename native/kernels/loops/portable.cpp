#include "compiled.hpp"

namespace verydeep {
extern const Loops kPortableLoops;
const Loops kPortableLoops = kLoops;
}  // namespace verydeep
