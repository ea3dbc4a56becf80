#include "../isa.hpp"
#include "loops.hpp"

namespace verydeep {

extern const Loops kPortableLoops;
#ifdef __x86_64__
extern const Loops kAvx2Loops, kAvx512Loops;
#endif

const Loops& bestLoops() {
#ifdef __x86_64__
  if (bestIsa() == Isa::avx512) return kAvx512Loops;
  if (bestIsa() == Isa::avx2) return kAvx2Loops;
#endif
  return kPortableLoops;
}

}  // namespace verydeep
