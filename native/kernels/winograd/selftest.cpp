// Compares every compiled width of the kernels with double precision, on any machine: the 16-wide ones are built for
// smaller vectors here, and NEON's run under qemu-user; see CMakeLists.txt in this folder. Prints a line for each case;
// exits with 1 if any exceeds its tolerance.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "kernels.hpp"
#include "team.hpp"

namespace verydeep::winograd {

extern const Kernels kPortable;
#ifdef __x86_64__
extern const Kernels kAvx2, kAvx512;
#endif

namespace {

/** A zeroed array, aligned to a cache line. */
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t count) {
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + 127) / 64 * 64;
    data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
    std::fill_n(reinterpret_cast<char*>(data_), bytes, 0);
  }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  operator T*() { return data_; }

 private:
  T* data_;
};

struct Case {
  int64_t images, in, out, height, width;
};

/** A plain [N, C, H, W] map in double precision. */
struct Map {
  int64_t n, c, h, w;
  std::vector<double> values;

  Map(int64_t images, int64_t channels, int64_t height, int64_t width)
      : n(images), c(channels), h(height), w(width), values(static_cast<std::size_t>(n * c * h * w)) {}
  double& at(int64_t i, int64_t k, int64_t y, int64_t x) {
    return values[static_cast<std::size_t>(((i * c + k) * h + y) * w + x)];
  }
  /** 0 beyond the edges. */
  double padded(int64_t i, int64_t k, int64_t y, int64_t x) {
    return y < 0 || x < 0 || y >= h || x >= w ? 0 : at(i, k, y, x);
  }
};

/** Offset of a value in the blocked layout. */
int64_t blocked(const Map& map, int64_t width, int64_t i, int64_t k, int64_t y, int64_t x) {
  const int64_t blocks = (map.c + width - 1) / width;
  return (((i * blocks + k / width) * map.h + y) * map.w + x) * width + k % width;
}

template <class F>
void forEach(const Map& map, const F& f) {
  for (int64_t i = 0; i < map.n; i++)
    for (int64_t k = 0; k < map.c; k++)
      for (int64_t y = 0; y < map.h; y++)
        for (int64_t x = 0; x < map.w; x++) f(i, k, y, x);
}

/** Tracks the largest difference and the largest value. */
struct Error {
  double difference = 0, largest = 0;
  void see(double actual, double expected) {
    difference = std::max(difference, std::isfinite(actual) ? std::fabs(actual - expected) : INFINITY);
    largest = std::max(largest, std::fabs(expected));
  }
  double relative() const { return difference / std::max(largest, 1e-30); }
};

class Test {
 public:
  Test(const Kernels& kernels, const Case& c)
      : kernels_(kernels), x_(c.images, c.in, c.height, c.width), dy_(c.images, c.out, c.height, c.width),
        weights_(static_cast<std::size_t>(c.out * c.in * 9)), bias_(static_cast<std::size_t>(c.out)) {
    const auto draw = [this](double deviation) { return static_cast<float>(deviation * normal_(random_)); };
    for (double& value : x_.values) value = draw(1);
    for (double& value : dy_.values) value = draw(1);
    for (float& value : weights_) value = draw(std::sqrt(2.0 / (9.0 * static_cast<double>(c.in))));
    for (float& value : bias_) value = draw(1);
  }

  bool run() {
    const double forward = checkForward(), pooled = checkPooled(), input = checkInputGradient(false),
                 spread = checkInputGradient(true), weight = checkWeightGradient(), direct = checkDirect();
    const bool good =
        forward < 5e-6 && pooled < 5e-6 && input < 5e-5 && spread < 5e-5 && weight < 5e-5 && direct < 5e-6;
    std::printf("%-8s %2d wide  [%d, %d, %d, %d] to %3d: forward %.1e, pooled %.1e, input gradient %.1e and %.1e, "
                "weight gradient %.1e, direct %.1e%s\n",
                kernels_.name, int(kernels_.width), int(x_.n), int(x_.c), int(x_.h), int(x_.w), int(dy_.c), forward,
                pooled, input, spread, weight, direct, good ? "" : "  WRONG");
    return good;
  }

 private:
  int64_t blocks(int64_t channels) const { return (channels + kernels_.width - 1) / kernels_.width; }
  Grid grid() const { return {x_.n, x_.h, x_.w}; }
  float weight(int64_t o, int64_t c, int64_t k) const {
    return weights_[static_cast<std::size_t>((o * x_.c + c) * 9 + k)];
  }

  void fill(Map& map, float* to) {
    forEach(map, [&](int64_t i, int64_t k, int64_t y, int64_t x) {
      to[blocked(map, kernels_.width, i, k, y, x)] = static_cast<float>(map.at(i, k, y, x));
    });
  }

  double outputAt(int64_t i, int64_t o, int64_t y, int64_t x) {
    double sum = bias_[static_cast<std::size_t>(o)];
    for (int64_t c = 0; c < x_.c; c++) {
      for (int64_t k = 0; k < 9; k++) sum += weight(o, c, k) * x_.padded(i, c, y + k / 3 - 1, x + k % 3 - 1);
    }
    return std::max(sum, 0.0);
  }

  void convolve(Convolution job, bool backward) {
    Buffer<float> transformed(kernels_.transformedWeights(grid().scheme(), backward ? dy_.c : x_.c, backward ? x_.c : dy_.c));
    const Weights weights{grid().scheme(), x_.c, dy_.c, backward, weights_.data(), transformed};
    runOnTeam([&](Team& team, int thread) { kernels_.transformWeights(weights, team, thread); });
    job.weights = transformed;
    Schedule schedules[kMostSchedules];
    kernels_.convolutionSchedules(job, teamSize(), schedules);
    Schedule& schedule = schedules[0];
    Buffer<float> scratch(kernels_.convolutionScratch(job, schedule, teamSize()));
    schedule.scratch = scratch;
    runOnTeam([&](Team& team, int thread) { kernels_.convolve(job, schedule, team, thread); });
  }

  Convolution forwardJob(float* x) {
    Convolution job;
    job.grid = grid();
    job.inBlocks = blocks(x_.c);
    job.outBlocks = blocks(dy_.c);
    job.outChannels = dy_.c;
    job.bias = bias_.data();
    job.rectify = true;
    job.input = x;
    fill(x_, x);
    return job;
  }

  int64_t stored(const Map& map) const { return map.n * blocks(map.c) * kernels_.width * map.h * map.w; }

  double checkForward() {
    Buffer<float> x(stored(x_)), y(stored(dy_));
    Convolution job = forwardJob(x);
    job.output = y;
    convolve(job, false);
    return largestError(y);
  }

  double checkDirect() {
    const std::vector<float> x(x_.values.begin(), x_.values.end());
    Buffer<float> y(stored(dy_)), packed(kernels_.directWeights(x_.c * 9, dy_.c));
    DirectConvolution job{x_.n, x_.c, x_.h, x_.w, 3, 1, dy_.c, true, x.data(), packed, bias_.data(), y, nullptr};
    Buffer<float> scratch(kernels_.directScratch(job, teamSize()));
    job.scratch = scratch;
    runOnTeam([&](Team& team, int thread) {
      kernels_.packDirectWeights(weights_.data(), job.taps(), dy_.c, packed, team, thread);
    });
    runOnTeam([&](Team& team, int thread) { kernels_.convolveDirectly(job, team, thread); });
    return largestError(y);
  }

  double largestError(const float* y) {
    Error error;
    forEach(dy_, [&](int64_t i, int64_t o, int64_t v, int64_t u) {
      error.see(y[blocked(dy_, kernels_.width, i, o, v, u)], outputAt(i, o, v, u));
    });
    return error.relative();
  }

  /** Windows are cut off at the edges, as if sizes are rounded up. */
  double checkPooled() {
    Map pooled(dy_.n, dy_.c, (dy_.h + 1) / 2, (dy_.w + 1) / 2);
    Buffer<float> x(stored(x_)), y(stored(pooled));
    Buffer<uint8_t> places(stored(pooled));
    Convolution job = forwardJob(x);
    job.pooledOutput = {y, places, pooled.h, pooled.w};
    convolve(job, false);
    Error error;
    forEach(pooled, [&](int64_t i, int64_t o, int64_t v, int64_t u) {
      double most = 0;
      for (int64_t k = 0; k < 4; k++) {
        const int64_t row = 2 * v + k / 2, column = 2 * u + k % 2;
        if (row < dy_.h && column < dy_.w) most = std::max(most, outputAt(i, o, row, column));
      }
      const int64_t at = blocked(pooled, kernels_.width, i, o, v, u);
      error.see(y[at], most);
      const int64_t row = 2 * v + places[at] / 2, column = 2 * u + places[at] % 2;
      error.see(row < dy_.h && column < dy_.w ? outputAt(i, o, row, column) : INFINITY, most);
    });
    return error.relative();
  }

  /** @param pooled through a pooling that rounds down, whose maximum cycles through all four positions */
  double checkInputGradient(bool pooled) {
    Map small(dy_.n, dy_.c, dy_.h / 2, dy_.w / 2), large = dy_;
    Buffer<float> dy(stored(dy_)), mask(stored(x_)), dx(stored(x_));
    Buffer<uint8_t> places(stored(dy_));
    if (pooled) {
      std::fill(large.values.begin(), large.values.end(), 0.0);
      forEach(small, [&](int64_t i, int64_t o, int64_t v, int64_t u) {
        const int64_t at = blocked(small, kernels_.width, i, o, v, u), k = (i + o + v + u) % 4;
        places[at] = static_cast<uint8_t>(k);
        dy[at] = static_cast<float>(small.at(i, o, v, u) = dy_.at(i, o, v, u));
        large.at(i, o, 2 * v + k / 2, 2 * u + k % 2) = dy_.at(i, o, v, u);
      });
    } else {
      fill(dy_, dy);
    }
    fill(x_, mask);
    Convolution job;
    job.grid = grid();
    job.inBlocks = blocks(dy_.c);
    job.outBlocks = blocks(x_.c);
    job.outChannels = x_.c;
    if (pooled) {
      job.pooledInput = {dy, places, small.h, small.w};
    } else {
      job.input = dy;
    }
    job.mask = mask;
    job.output = dx;
    convolve(job, true);
    Error error;
    forEach(x_, [&](int64_t i, int64_t c, int64_t y, int64_t x) {
      double sum = 0;
      for (int64_t o = 0; o < dy_.c; o++) {
        for (int64_t k = 0; k < 9; k++) sum += weight(o, c, k) * large.padded(i, o, y - (k / 3 - 1), x - (k % 3 - 1));
      }
      error.see(dx[blocked(x_, kernels_.width, i, c, y, x)], x_.at(i, c, y, x) > 0 ? sum : 0);
    });
    return error.relative();
  }

  double checkWeightGradient() {
    Buffer<float> x(stored(x_)), dy(stored(dy_));
    fill(x_, x);
    fill(dy_, dy);
    // Gradients are added to the existing values.
    std::vector<float> gradient(weights_.size(), 1.0f), biases(bias_.size(), 1.0f);
    WeightGradient job;
    job.grid = grid();
    job.inBlocks = blocks(x_.c);
    job.outBlocks = blocks(dy_.c);
    job.inChannels = x_.c;
    job.outChannels = dy_.c;
    job.input = x;
    job.gradient = dy;
    job.weights = gradient.data();
    job.bias = biases.data();
    Schedule schedule = kernels_.scheduleWeightGradient(job, teamSize());
    Buffer<float> scratch(kernels_.weightGradientScratch(job, schedule, teamSize()));
    schedule.scratch = scratch;
    runOnTeam([&](Team& team, int thread) { kernels_.addWeightGradient(job, schedule, team, thread); });
    Error error;
    for (int64_t o = 0; o < dy_.c; o++) {
      double bias = 1;
      for (int64_t i = 0; i < x_.n; i++)
        for (int64_t y = 0; y < x_.h; y++)
          for (int64_t u = 0; u < x_.w; u++) bias += dy_.at(i, o, y, u);
      error.see(biases[static_cast<std::size_t>(o)], bias);
      for (int64_t ck = 0; ck < x_.c * 9; ck++) {
        double sum = 1;
        for (int64_t i = 0; i < x_.n; i++)
          for (int64_t y = 0; y < x_.h; y++)
            for (int64_t u = 0; u < x_.w; u++)
              sum += dy_.at(i, o, y, u) * x_.padded(i, ck / 9, y + ck % 9 / 3 - 1, u + ck % 3 - 1);
        error.see(gradient[static_cast<std::size_t>(o * x_.c * 9 + ck)], sum);
      }
    }
    return error.relative();
  }

  const Kernels& kernels_;
  std::mt19937 random_{1};
  std::normal_distribution<double> normal_;
  Map x_, dy_;
  std::vector<float> weights_, bias_;
};

}  // namespace
}  // namespace verydeep::winograd

int main() {
  using namespace verydeep::winograd;
  std::vector<const Kernels*> tables{&kPortable};
#ifdef __x86_64__
  tables.insert(tables.end(), {&kAvx2, &kAvx512});
#endif
  const std::vector<Case> cases{{1, 1, 1, 1, 1},   {2, 16, 16, 8, 8},    {1, 17, 33, 7, 9}, {3, 5, 70, 2, 2},   {37, 100, 70, 2, 2}, {9, 20, 30, 1, 2}, {5, 16, 16, 2, 1},
                                {2, 40, 24, 5, 13}, {1, 64, 64, 30, 29}, {33, 8, 12, 3, 4}, {1, 130, 100, 14, 14},
                                {1, 300, 96, 6, 6},   {9, 3, 5, 60, 64}};
  bool good = true;
  for (const Kernels* kernels : tables) {
    for (const Case& c : cases) good = Test(*kernels, c).run() && good;
  }
  return good ? 0 : 1;
}
