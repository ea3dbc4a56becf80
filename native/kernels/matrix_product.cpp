// A convolution as one matrix product with the canonical weights W [O, I·k·k], for fully connected layers: their weights
// are too large to copy, and their maps too small for a copy to pay off.
//
//     Y [R, O] = X [R, I·k·k] · Wᵀ + bias,   dX = dY · W,   dW += dYᵀ · X,   R = N · H' · W' output positions
//
// X is the input itself if the kernel covers it (one position per image) or is 1×1 (one position per pixel,
// channels-last); otherwise, in dense evaluation, the windows are copied out.
#include <cstring>
#include <stdexcept>

#include "layers.hpp"
#include "vectorized.hpp"
#include "winograd/team.hpp"

namespace verydeep {
namespace {

bool covers(const ConvolutionSpec& spec, const Shape& in) {
  return spec.padding == 0 && spec.kernel == in.h && spec.kernel == in.w;
}

/** C [m, n] = op(A) · op(B) + beta · C, row-major. */
void multiply(char transposeA, char transposeB, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
              const float* b, int64_t ldb, float beta, float* c) {
  if (dnnl::sgemm(transposeA, transposeB, m, n, k, 1.0f, a, lda, b, ldb, beta, c, n) != dnnl::status::success) {
    throw std::runtime_error("oneDNN could not multiply two matrices");
  }
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

// Which method is fastest, measured on two cores with AVX-512 and weights [4096, 512·7·7]. oneDNN transposes its whole
// second factor if necessary; with the weights as the first factor instead, 8 rows take a third of the time, 32 rows a
// third, and 128 rows two thirds. For fewer rows, our own dot products read the weights at the speed of memory.
enum class Method { dots, turned, plain };
/** From here on oneDNN is faster than dot products in float32; in bfloat16, dot products are always faster. */
constexpr int64_t kRowsForLibrary = 16;
constexpr int64_t kRowsWorthTurning = 8;

constexpr const char* kLibrary = "oneDNN matrix product";

class MatrixProduct : public Layer {
 public:
  explicit MatrixProduct(const ConvolutionSpec& spec) : spec_(spec) {}
  bool hasParameters() const override { return true; }

  void planForward(Planner& planner) override {
    const Shape in = planner.activation.shape, out = spec_.outputOf(in);
    parameters_ = planner.parameters().get();
    kernels_ = &planner.kernels();
    method_ = methodFor(planner.context(), out.n * out.pixels());
    planner.forward.begin("forward", nameOf(method_));
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
    planner.backward.begin("weight gradient", kLibrary);
    planner.layOutGradient(output_.shape.c);
    const Tensor dy = planner.gradient;
    planner.backward.push_back([this, dy](const Batch&) { addParameterGradients(dy.data()); });
    if (!wantInput) return;
    planner.backward.begin("input gradient", kLibrary);
    const Tensor dx = planner.nextGradient(input_.shape, input_.block);
    planner.backward.push_back([this, dy, dx](const Batch&) { inputGradient(dy.data(), dx.data()); });
    planner.gradient = dx;
  }

 private:
  int64_t positions() const { return output_.shape.n * output_.shape.pixels(); }

  bool rounds() const { return kernels_->elementBytes != sizeof(float); }

  Method methodFor(const Context& context, int64_t rows) const {
    if (rounds() || (context.ownKernels && rows < kRowsForLibrary)) return Method::dots;
    return rows >= kRowsWorthTurning ? Method::turned : Method::plain;
  }

  const char* nameOf(Method method) const {
    if (method != Method::dots) return kLibrary;
    return rounds() ? "own dot products, bf16" : "own dot products";
  }

  /** Plans the memory and weights that the forward pass needs besides its input and output. */
  void planProduct(Planner& planner) {
    scratch_ = &planner.scratch(Scratch::product);
    if (method_ == Method::turned) scratch_->grow(static_cast<std::size_t>(output_.shape.count()) * sizeof(float));
    if (method_ != Method::dots) return;
    dots_.rows = positions();
    dots_.inputs = spec_.products();
    dots_.outputs = spec_.outChannels;
    dots_.bias = parameters_->data(Parameters::Field::values, spec_.bias);
    dots_.weights = parameters_->data(Parameters::Field::values, spec_.weight);
    if (rounds()) {
      dots_.weights = planner.transformedWeights(
          planner.forward,
          {WeightUse::Pass::dots, kernels_, spec_.weight, spec_.products(), spec_.outChannels});
    }
    scratch_->grow(static_cast<std::size_t>(kernels_->dotScratch(dots_)) * sizeof(float));
  }

  void forward(const float* rows) {
    const float* bias = parameters_->data(Parameters::Field::values, spec_.bias);
    const float* weights = parameters_->data(Parameters::Field::values, spec_.weight);
    const int64_t outputs = spec_.outChannels, inputs = spec_.products();
    switch (method_) {
      case Method::dots:
        dots_.x = rows;
        dots_.y = output_.data();
        dots_.scratch = scratch_->floats();
        winograd::runOnTeam([this](winograd::Team& team, int thread) { kernels_->multiplyDots(dots_, team, thread); });
        return;
      case Method::turned:
        multiply('N', 'T', outputs, positions(), inputs, weights, inputs, rows, inputs, 0.0f, scratch_->floats());
        transposeWithBias(scratch_->floats(), bias, positions(), outputs, output_.data());
        return;
      case Method::plain:
        for (int64_t r = 0; r < positions(); r++) std::copy(bias, bias + outputs, output_.data() + r * outputs);
        multiply('N', 'T', positions(), outputs, inputs, rows, inputs, weights, inputs, 1.0f, output_.data());
        return;
    }
  }

  void inputGradient(const float* dy, float* dx) {
    const float* weights = parameters_->data(Parameters::Field::values, spec_.weight);
    multiply('N', 'N', positions(), spec_.products(), spec_.outChannels, dy, spec_.outChannels, weights,
             spec_.products(), 0.0f, dx);
  }

  void addParameterGradients(const float* dy) {
    float* bias = parameters_->data(Parameters::Field::gradients, spec_.bias);
    for (int64_t r = 0; r < positions(); r++) {
      for (int64_t o = 0; o < spec_.outChannels; o++) bias[o] += dy[r * spec_.outChannels + o];
    }
    float* weights = parameters_->data(Parameters::Field::gradients, spec_.weight);
    multiply('T', 'N', spec_.outChannels, spec_.products(), positions(), dy, spec_.outChannels, input_.data(),
             spec_.products(), 1.0f, weights);
  }

  ConvolutionSpec spec_;
  Tensor input_{}, output_{};
  Parameters* parameters_ = nullptr;
  const winograd::Kernels* kernels_ = nullptr;
  Method method_ = Method::plain;
  winograd::DotProducts dots_;
  Slot* scratch_ = nullptr;
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
