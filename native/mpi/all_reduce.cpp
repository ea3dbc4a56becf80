// All-reduce by exchanging slices. Rank j sums the j-th slice over all ranks, then sends the sum to all of them. Each
// rank sends 2 (N − 1) / N times the data, as in a ring all-reduce, but in two rounds instead of 2 (N − 1).
#include "all_reduce.hpp"

#include <algorithm>
#include <type_traits>

#include "bfloat16.hpp"
#include "buffers.hpp"
#include "messages.hpp"
#include "outbox.hpp"

namespace verydeep {
namespace {

/** The format in which values travel. */
struct Full {
  using Value = float;
  static MPI_Datatype type() { return MPI_FLOAT; }
  static float pack(float value) { return value; }
  static float unpack(float value) { return value; }
};

struct Brief {
  using Value = BFloat16;
  static MPI_Datatype type() { return MPI_UINT16_T; }
  static BFloat16 pack(float value) { return toBFloat16(value); }
  static float unpack(BFloat16 value) { return toFloat(value); }
};

/** Values summed at a time: their sums stay in the first-level cache. */
constexpr int64_t BLOCK = 2048;

template <class Form>
class AllReduce : public CollectiveOperation {
  using Value = typename Form::Value;
  static constexpr bool packs = !std::is_same_v<Value, float>;

 public:
  AllReduce(float* data, int64_t count) : data_(data), count_(count) {}

  void start(const Ranks& ranks, int number) override {
    ranks_ = ranks;
    tag_ = 2 * number;
    const int64_t mine = length(ranks.rank);
    pieces_ = Buffer<Value>(ranks.memory, mine * (ranks.size - 1));
    if (packs) packed_ = Buffer<Value>(ranks.memory, count_);
    forOthers([&](int other) { receive(pieceOf(other), mine, other, tag_); });
    forOthers([&](int other) { send(packedSlice(other), length(other), other, tag_, &unsentValues_); });
  }

  bool advance() override {
    // With one rank, its values are the sum. They are not sent, so they stay exact.
    if (ranks_.size == 1) return true;
    if (stage_ == Stage::Adding && requests_.done()) {
      sum();
      const Value* result = packedSlice(ranks_.rank);
      forOthers([&](int other) { send(result, length(ranks_.rank), other, tag_ + 1, &unsentSums_); });
      stage_ = Stage::Handing;
    }
    // The sums from other ranks replace this rank's values of their slices.
    if (stage_ == Stage::Handing && unsentValues_ == 0) {
      forOthers([&](int other) { receive(inPlace(other), length(other), other, tag_ + 1); });
      stage_ = Stage::Ending;
    }
    if (stage_ != Stage::Ending || unsentSums_ > 0 || !requests_.done()) return false;
    if (packs) unpackOthers();
    return true;
  }

 private:
  int64_t begin(int rank) const { return count_ * rank / ranks_.size; }
  int64_t length(int rank) const { return begin(rank + 1) - begin(rank); }

  /** Starts after this rank, so that not all ranks send to the same one at the same time. */
  template <class Visit>
  void forOthers(const Visit& visit) const {
    for (int i = 1; i < ranks_.size; i++) visit((ranks_.rank + i) % ranks_.size);
  }

  void receive(Value* to, int64_t count, int from, int tag) {
    forPieces(count, sizeof(Value), [&](int64_t at, int length) {
      check(MPI_Irecv(to + at, length, Form::type(), from, tag, ranks_.messages, requests_.add()));
    });
  }
  void send(const Value* from, int64_t count, int to, int tag, int* unsent) {
    ranks_.outbox->send(from, count, Form::type(), sizeof(Value), to, tag, unsent);
  }

  /** Another rank's values of this rank's slice. */
  Value* pieceOf(int other) {
    return pieces_.data() + length(ranks_.rank) * (other < ranks_.rank ? other : other - 1);
  }
  /** The address that a slice is sent from. */
  const Value* packedSlice(int rank) {
    if (packs) {
      for (int64_t i = begin(rank); i < begin(rank + 1); i++) packed_.data()[i] = Form::pack(data_[i]);
    }
    return inPlace(rank);
  }
  Value* inPlace(int rank) {
    if constexpr (packs) return packed_.data() + begin(rank);
    else return data_ + begin(rank);
  }

  void sum() {
    for (int64_t from = 0; from < length(ranks_.rank); from += BLOCK) {
      sumBlock(from, std::min(BLOCK, length(ranks_.rank) - from));
    }
  }

  void sumBlock(int64_t from, int64_t count) {
    float total[BLOCK] = {};
    float* own = data_ + begin(ranks_.rank) + from;
    for (int rank = 0; rank < ranks_.size; rank++) {
      if (rank == ranks_.rank) {
        for (int64_t i = 0; i < count; i++) total[i] += own[i];
      } else {
        const Value* piece = pieceOf(rank) + from;
        for (int64_t i = 0; i < count; i++) total[i] += Form::unpack(piece[i]);
      }
    }
    // The other ranks get exactly the values that stay here.
    for (int64_t i = 0; i < count; i++) own[i] = Form::unpack(Form::pack(total[i]));
  }

  void unpackOthers() {
    forOthers([&](int other) {
      const Value* from = inPlace(other);
      float* to = data_ + begin(other);
      for (int64_t i = 0; i < length(other); i++) to[i] = Form::unpack(from[i]);
    });
  }

  float* data_;
  int64_t count_;
  Ranks ranks_;
  int tag_ = 0;
  /** Waiting for the other ranks' values of this slice; sending its sum; waiting for the other ranks' sums. */
  enum class Stage { Adding, Handing, Ending } stage_ = Stage::Adding;
  /** `[other ranks, my slice]`, and for bfloat16 all values in that format. */
  Buffer<Value> pieces_, packed_;
  Requests requests_;
  /** Pieces that have not been sent. */
  int unsentValues_ = 0, unsentSums_ = 0;
};

}  // namespace

std::unique_ptr<CollectiveOperation> makeAllReduce(float* data, int64_t count, bool brief) {
  if (brief) return std::make_unique<AllReduce<Brief>>(data, count);
  return std::make_unique<AllReduce<Full>>(data, count);
}

}  // namespace verydeep
