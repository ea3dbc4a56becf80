// A convolution as one matrix product with the canonical weights W [O, I·k·k], for fully connected layers: their weights
// are too large to copy, and their maps too small for a copy to pay off.
//
//     Y [R, O] = X [R, I·k·k] · Wᵀ + bias,   dX = dY · W,   dW += dYᵀ · X,   R = N · H' · W' output positions
//
// X is the input itself if the kernel covers it (one position per image) or is 1×1 (one position per pixel,
// channels-last); otherwise, in dense evaluation, the windows are copied out.
#include <cstring>

#include "layers.hpp"
#include "parallel.hpp"
#include "winograd/team.hpp"

namespace verydeep {
namespace {

bool covers(const ConvolutionSpec& spec, const Shape& in) {
  return spec.padding == 0 && spec.kernel == in.h && spec.kernel == in.w;
}

/** Copies the windows of an NCHW map to the rows of a matrix `[N · H' · W', C · k · k]`. */
void copyWindows(const float* input, const Shape& in, const Shape& out, int64_t kernel, float* rows) {
  parallelRanges(out.n * out.h, out.w * in.c * kernel * kernel, [&](int64_t begin, int64_t end) {
    float* to = rows + begin * out.w * in.c * kernel * kernel;
    for (int64_t line = begin; line < end; line++) {
      const float* corner = input + line / out.h * in.image() + line % out.h * in.w;
      for (int64_t x = 0; x < out.w; x++) {
        for (int64_t cy = 0; cy < in.c * kernel; cy++) {
          const float* from = corner + (cy / kernel * in.h + cy % kernel) * in.w + x;
          std::memcpy(to, from, static_cast<std::size_t>(kernel) * sizeof(float));
          to += kernel;
        }
      }
    }
  });
}

/** y [rows, columns] = transposed [columns, rows]ᵀ + bias [columns] */
void transposeWithBias(const float* transposed, const float* bias, int64_t rows, int64_t columns, float* y) {
  constexpr int64_t kSide = 16;
  parallelRanges((columns + kSide - 1) / kSide, rows * kSide, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin * kSide; first < std::min(columns, end * kSide); first += kSide) {
      const int64_t last = std::min(columns, first + kSide);
      for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = first; c < last; c++) y[r * columns + c] = transposed[c * rows + r] + bias[c];
      }
    }
  });
}

/** From here on a blocked product is faster than dot products in float32; in bfloat16, dot products are always used. */
constexpr int64_t kRowsWorthBlocks = 16;

constexpr const char* kBlocks = "own matrix product";

class MatrixProduct : public Layer {
 public:
  explicit MatrixProduct(const ConvolutionSpec& spec) : spec_(spec) {}
  bool hasParameters() const override { return true; }

  void planForward(Planner& planner) override {
    const Shape in = planner.activation.shape, out = spec_.outputOf(in);
    parameters_ = planner.parameters().get();
    kernels_ = &planner.kernels();
    dots_ = rounds() || out.n * out.pixels() < kRowsWorthBlocks;
    planner.forward.begin("forward", !dots_ ? kBlocks : rounds() ? "own dot products, bf16" : "own dot products");
    const bool direct = covers(spec_, in) || spec_.kernel == 1;
    planner.layOutActivation(covers(spec_, in) || !direct ? 1 : in.c);
    input_ = planner.activation;
    output_ = planner.nextActivation(out, out.c);
    planProduct(planner);
    if (direct) {
      planner.forward.push_back([this](const Batch&) { forward(input_.data()); });
    } else {
      Slot& rows = planner.scratch(Scratch::columns);
      rows.grow(static_cast<std::size_t>(positions() * spec_.products()) * sizeof(float));
      planner.forward.push_back([this, &rows](const Batch&) {
        copyWindows(input_.data(), input_.shape, output_.shape, spec_.kernel, rows.floats());
        forward(rows.floats());
      });
    }
    planner.activation = output_;
  }

  void planBackward(Planner& planner, bool wantInput) override {
    planner.backward.begin("weight gradient", kBlocks);
    planner.layOutGradient(output_.shape.c);
    const Tensor dy = planner.gradient;
    const int64_t rows = positions(), inputs = spec_.products(), outputs = spec_.outChannels;
    weightGradient_ = {outputs, inputs, rows, nullptr, 1, outputs, nullptr, inputs, 1, true, nullptr};
    growScratch(weightGradient_);
    planner.backward.push_back([this, dy](const Batch&) { addParameterGradients(dy.data()); });
    if (!wantInput) return;
    planner.backward.begin("input gradient", kBlocks);
    const Tensor dx = planner.nextGradient(input_.shape, input_.block);
    inputGradient_ = {rows, inputs, outputs, nullptr, outputs, 1, parameters_->data(Parameters::Field::values, spec_.weight),
                      inputs, 1, false, nullptr};
    growScratch(inputGradient_);
    planner.backward.push_back([this, dy, dx](const Batch&) { inputGradient(dy.data(), dx.data()); });
    planner.gradient = dx;
  }

 private:
  int64_t positions() const { return output_.shape.n * output_.shape.pixels(); }

  bool rounds() const { return kernels_->elementBytes != sizeof(float); }

  /** Plans the memory and weights that the forward pass needs besides its input and output. */
  void planProduct(Planner& planner) {
    scratch_ = &planner.scratch(Scratch::product);
    const float* weights = parameters_->data(Parameters::Field::values, spec_.weight);
    const int64_t rows = positions(), inputs = spec_.products(), outputs = spec_.outChannels;
    if (!dots_) {
      // The weights as the first factor: it need not be packed. The product is then Yᵀ.
      turned_ = &planner.scratch(Scratch::turned);
      turned_->grow(static_cast<std::size_t>(output_.shape.count()) * sizeof(float));
      product_ = {outputs, rows, inputs, weights, inputs, 1, nullptr, 1, inputs, false, nullptr};
      growScratch(product_);
      return;
    }
    dotProducts_ = {rows, inputs, outputs, nullptr, weights, parameters_->data(Parameters::Field::values, spec_.bias)};
    if (rounds()) {
      dotProducts_.weights = planner.transformedWeights(
          planner.forward, {WeightUse::Pass::dots, kernels_, spec_.weight, inputs, outputs});
    }
    scratch_->grow(static_cast<std::size_t>(kernels_->dotScratch(dotProducts_)) * sizeof(float));
  }

  void growScratch(const winograd::MatrixProduct& job) {
    const int64_t floats = winograd::bestKernels().matrixScratch(job, winograd::teamSize());
    scratch_->grow(static_cast<std::size_t>(floats) * sizeof(float));
  }

  void multiply(winograd::MatrixProduct& job) {
    job.scratch = scratch_->floats();
    winograd::runOnTeam(
        [&](winograd::Team& team, int thread) { winograd::bestKernels().multiplyMatrices(job, team, thread); });
  }

  void forward(const float* rows) {
    if (!dots_) {
      product_.b = rows;
      product_.c = turned_->floats();
      multiply(product_);
      transposeWithBias(turned_->floats(), parameters_->data(Parameters::Field::values, spec_.bias), positions(),
                        spec_.outChannels, output_.data());
      return;
    }
    dotProducts_.x = rows;
    dotProducts_.y = output_.data();
    dotProducts_.scratch = scratch_->floats();
    winograd::runOnTeam(
        [this](winograd::Team& team, int thread) { kernels_->multiplyDots(dotProducts_, team, thread); });
  }

  void inputGradient(const float* dy, float* dx) {
    inputGradient_.a = dy;
    inputGradient_.c = dx;
    multiply(inputGradient_);
  }

  void addParameterGradients(const float* dy) {
    const int64_t rows = positions(), outputs = spec_.outChannels;
    float* bias = parameters_->data(Parameters::Field::gradients, spec_.bias);
    parallelRanges(outputs, rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = 0; r < rows; r++) {
        for (int64_t o = begin; o < end; o++) bias[o] += dy[r * outputs + o];
      }
    });
    weightGradient_.a = dy;
    weightGradient_.b = input_.data();
    weightGradient_.c = parameters_->data(Parameters::Field::gradients, spec_.weight);
    multiply(weightGradient_);
  }

  ConvolutionSpec spec_;
  Tensor input_{}, output_{};
  Parameters* parameters_ = nullptr;
  const winograd::Kernels* kernels_ = nullptr;
  /** Whether each output is a dot product: for few rows, that reads the weights at the speed of memory. */
  bool dots_ = false;
  winograd::DotProducts dotProducts_;
  winograd::MatrixProduct product_{}, inputGradient_{}, weightGradient_{};
  Slot *scratch_ = nullptr, *turned_ = nullptr;
};

}  // namespace

bool suitsMatrixProduct(const ConvolutionSpec& spec, const Tensor& input, bool training) {
  if (covers(spec, input.shape)) return true;
  if (spec.padding != 0) return false;
  if (spec.kernel == 1) return input.block == input.shape.c;
  // The windows must be small compared with the weights, and no code adds up the gradients of overlapping windows.
  const Shape out = spec.outputOf(input.shape);
  return !training && out.n * out.pixels() <= spec.outChannels;
}

std::unique_ptr<Layer> makeMatrixProduct(const ConvolutionSpec& spec) { return std::make_unique<MatrixProduct>(spec); }

}  // namespace verydeep
