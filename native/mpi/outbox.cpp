#include "outbox.hpp"

#include <algorithm>

#include "messages.hpp"

namespace verydeep {
namespace {

/** Most pieces in flight to all ranks together, 4 MiB: what a 100 Gbit/s network carries between two turns. */
constexpr int MOST = 64;
/** Pieces that may always be in flight to one rank. */
constexpr int LEAST = 2;

}  // namespace

Outbox::Outbox(MPI_Comm comm, int size)
    : comm_(comm), most_(std::max(LEAST, MOST / std::max(1, size - 1))), lanes_(static_cast<std::size_t>(size)) {}

void Outbox::send(const void* data, int64_t count, MPI_Datatype type, int64_t valueBytes, int to, int tag, int* unsent) {
  Lane& lane = lanes_[static_cast<std::size_t>(to)];
  forPieces(count, valueBytes, [&](int64_t at, int length) {
    lane.waiting.push_back({static_cast<const char*>(data) + at * valueBytes, length, type, to, tag, unsent});
    ++*unsent;
  });
  post(lane);
}

void Outbox::post(Lane& lane) {
  while (!lane.waiting.empty() && lane.inFlight < most_) {
    const Piece piece = lane.waiting.front();
    lane.waiting.pop_front();
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Isend(piece.data, piece.count, piece.type, piece.to, piece.tag, comm_, &request));
    requests_.push_back(request);
    pieces_.push_back(piece);
    lane.inFlight++;
  }
}

bool Outbox::advance() {
  if (requests_.empty()) return false;
  completed_.resize(requests_.size());
  int count = 0;
  check(MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count, completed_.data(), MPI_STATUSES_IGNORE));
  bool dry = false;
  for (int i = 0; i < count; i++) {
    const Piece& piece = pieces_[static_cast<std::size_t>(completed_[static_cast<std::size_t>(i)])];
    Lane& lane = lanes_[static_cast<std::size_t>(piece.to)];
    --*piece.unsent;
    if (--lane.inFlight == 0 && !lane.waiting.empty()) dry = true;
  }
  if (count == 0) return false;
  std::size_t left = 0;
  for (std::size_t i = 0; i < requests_.size(); i++) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    requests_[left] = requests_[i];
    pieces_[left++] = pieces_[i];
  }
  requests_.resize(left);
  pieces_.resize(left);
  for (Lane& lane : lanes_) post(lane);
  return dry;
}

}  // namespace verydeep
