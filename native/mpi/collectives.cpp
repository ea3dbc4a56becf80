// Operations that use MPI's collective calls.
#include "collectives.hpp"

#include "messages.hpp"

namespace verydeep {
namespace {

class Broadcast : public CollectiveOperation {
 public:
  Broadcast(float* data, int64_t count, int root) : data_(data), count_(count), root_(root) {}

  void start(const Ranks& ranks, int) override {
    check(MPI_Ibcast(data_, static_cast<int>(count_), MPI_FLOAT, root_, ranks.collectives, requests_.add()));
  }
  bool advance() override { return requests_.done(); }

 private:
  float* data_;
  int64_t count_;
  int root_;
  Requests requests_;
};

class AllGather : public CollectiveOperation {
 public:
  AllGather(Bytes mine, std::shared_ptr<Bytes> all, std::shared_ptr<std::vector<int>> ends)
      : mine_(std::move(mine)), all_(std::move(all)), ends_(std::move(ends)) {}

  void start(const Ranks& ranks, int) override {
    ranks_ = ranks;
    length_ = static_cast<int>(mine_.size());
    lengths_.resize(static_cast<std::size_t>(ranks.size));
    check(MPI_Iallgather(&length_, 1, MPI_INT, lengths_.data(), 1, MPI_INT, ranks.collectives, requests_.add()));
  }

  bool advance() override {
    if (!requests_.done()) return false;
    if (gathering_) return true;
    gathering_ = true;
    int end = 0;
    for (const int length : lengths_) {
      begins_.push_back(end);
      ends_->push_back(end += length);
    }
    all_->resize(static_cast<std::size_t>(end));
    check(MPI_Iallgatherv(mine_.data(), length_, MPI_BYTE, all_->data(), lengths_.data(), begins_.data(), MPI_BYTE,
                          ranks_.collectives, requests_.add()));
    return false;
  }

 private:
  Bytes mine_;
  std::shared_ptr<Bytes> all_;
  std::shared_ptr<std::vector<int>> ends_;
  Ranks ranks_;
  int length_ = 0;
  std::vector<int> lengths_, begins_;
  bool gathering_ = false;
  Requests requests_;
};

}  // namespace

std::unique_ptr<CollectiveOperation> makeBroadcast(float* data, int64_t count, int root) {
  return std::make_unique<Broadcast>(data, count, root);
}

std::unique_ptr<CollectiveOperation> makeAllGather(Bytes mine, std::shared_ptr<Bytes> all, std::shared_ptr<std::vector<int>> ends) {
  return std::make_unique<AllGather>(std::move(mine), std::move(all), std::move(ends));
}

}  // namespace verydeep
