// Asks the processor itself: not all compilers bring the functions behind __builtin_cpu_supports.
#include "isa.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace verydeep {
namespace {

#ifdef __x86_64__
struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool has(unsigned word, int bit) { return (word >> bit & 1) != 0; }

/** Whether the system saves these registers (XCR0's bits) when it switches threads. */
bool systemSaves(uint64_t state) {
  if (!has(cpuid(1, 0).ecx, 27)) return false;  // OSXSAVE
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t{high} << 32 | low) & state) == state;
}

constexpr uint64_t kAvxState = 0x6, kAvx512State = 0xe6;

Isa supported() {
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0);
  const bool avx2 = has(seven.ebx, 5), fma = has(one.ecx, 12);
  if (!avx2 || !fma || !systemSaves(kAvxState)) return Isa::portable;
  const bool f = has(seven.ebx, 16), dq = has(seven.ebx, 17), bw = has(seven.ebx, 30), vl = has(seven.ebx, 31);
  return f && dq && bw && vl && systemSaves(kAvx512State) ? Isa::avx512 : Isa::avx2;
}

Isa chosen() {
  const char* atMost = std::getenv("VERYDEEP_ISA");
  if (!atMost) return supported();
  const Isa limit = std::strcmp(atMost, "avx512") == 0 ? Isa::avx512
                    : std::strcmp(atMost, "avx2") == 0 ? Isa::avx2
                                                       : Isa::portable;
  return supported() < limit ? supported() : limit;
}
#else
Isa chosen() { return Isa::portable; }
#endif

}  // namespace

Isa bestIsa() {
  static const Isa isa = chosen();
  return isa;
}

bool hasAvx512Bf16() {
#ifdef __x86_64__
  return bestIsa() == Isa::avx512 && has(cpuid(7, 1).eax, 5);
#else
  return false;
#endif
}

}  // namespace verydeep
