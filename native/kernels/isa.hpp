// The instruction sets that the kernels and loops are compiled for.
#pragma once

namespace verydeep {

enum class Isa { portable, avx2, avx512 };

/** The best that this processor and system support. To compare, set VERYDEEP_ISA=avx2 or portable. */
Isa bestIsa();
/** Whether the processor also multiplies bfloat16, and `bestIsa` is AVX-512. */
bool hasAvx512Bf16();

}  // namespace verydeep
