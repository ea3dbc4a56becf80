#include "resample.hpp"

#include <cstring>

// One binary serves every x86-64: the loops below are compiled for each of these, and the loader picks the best.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define VD_FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "sse4.1", "default")))
#else
#define VD_FOR_EACH_PROCESSOR
#endif

namespace verydeep {
namespace {

constexpr int kPlaces = 22;
constexpr int32_t kHalf = 1 << (kPlaces - 1);

/** The sums of a pixel, and an unused lane. */
typedef int32_t Sums4 __attribute__((vector_size(16)));

/** Rounded weights may sum to slightly more than 1. */
inline uint8_t byteOf(int32_t sum) {
  const int32_t value = sum >> kPlaces;
  return static_cast<uint8_t>(value < 255 ? value : 255);
}

/**
 * Buffers for a row: its bytes as integers, and the sums. Pixels are read and written four lanes at a time; the fourth
 * is the next pixel's red, so the buffers have one value more than a row.
 */
struct Line {
  std::vector<int32_t> values, sums;
  Line(std::size_t inputs, std::size_t outputs) : values(3 * inputs + 1), sums(3 * outputs + 1) {}
};

/** Resamples a row. @param from starts at input column `first` */
VD_FOR_EACH_PROCESSOR void alongRow(const uint8_t* from, std::size_t first, const Taps& taps, Span columns, Line& line,
                                    uint8_t* to) {
  int32_t* values = line.values.data();
  int32_t* sums = line.sums.data();
  const std::size_t inputs = line.values.size() - 1, outputs = 3 * columns.size();
  for (std::size_t i = 0; i < inputs; i++) values[i] = from[i];
  for (std::size_t x = columns.begin; x < columns.end; x++) {
    const int32_t* weight = taps.weights + x * taps.width;
    const int32_t* pixel = values + 3 * (static_cast<std::size_t>(taps.starts[x]) - first);
    Sums4 sum = Sums4{} + kHalf;
    for (int32_t tap = 0, count = taps.counts[x]; tap < count; tap++, pixel += 3) {
      Sums4 value;
      std::memcpy(&value, pixel, sizeof value);
      sum += value * weight[tap];
    }
    std::memcpy(sums + 3 * (x - columns.begin), &sum, sizeof sum);
  }
  for (std::size_t i = 0; i < outputs; i++) to[i] = byteOf(sums[i]);
}

/** One row as the weighted sum of `count` rows of `length` bytes, of which `rows` is the first. */
VD_FOR_EACH_PROCESSOR void acrossRows(const uint8_t* rows, std::size_t length, const int32_t* weights, int32_t count,
                                      Line& line, uint8_t* to) {
  int32_t* sums = line.sums.data();
  for (std::size_t i = 0; i < length; i++) sums[i] = kHalf + weights[0] * rows[i];
  for (int32_t tap = 1; tap < count; tap++) {
    const uint8_t* row = rows + tap * length;
    for (std::size_t i = 0; i < length; i++) sums[i] += weights[tap] * row[i];
  }
  for (std::size_t i = 0; i < length; i++) to[i] = byteOf(sums[i]);
}

/** The inputs that contribute to a span of outputs; starts and ends ascend. */
Span inputsOf(const Taps& taps, Span outputs) {
  const std::size_t last = outputs.end - 1;
  return {static_cast<std::size_t>(taps.starts[outputs.begin]),
          static_cast<std::size_t>(taps.starts[last] + taps.counts[last])};
}

}  // namespace

void resample(const Image& image, const Taps& across, const Taps& down, Span columns, Span rows, uint8_t* to) {
  const Span inColumns = inputsOf(across, columns), inRows = inputsOf(down, rows);
  const std::size_t length = 3 * columns.size();
  Line line(inColumns.size(), columns.size());
  std::vector<uint8_t> middle(inRows.size() * length);
  for (std::size_t y = inRows.begin; y < inRows.end; y++) {
    alongRow(image.pixels + 3 * (y * image.width + inColumns.begin), inColumns.begin, across, columns, line,
             middle.data() + (y - inRows.begin) * length);
  }
  for (std::size_t y = rows.begin; y < rows.end; y++, to += length) {
    acrossRows(middle.data() + (static_cast<std::size_t>(down.starts[y]) - inRows.begin) * length, length,
               down.weights + y * down.width, down.counts[y], line, to);
  }
}

}  // namespace verydeep
