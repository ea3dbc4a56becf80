#include "heartbeat.hpp"

#include <algorithm>

#include "messages.hpp"

namespace verydeep {
namespace {

using std::chrono::seconds;

constexpr auto INTERVAL = seconds(1);
/** A longer gap between two calls means that this process itself was stopped: no work of this thread takes so long. */
constexpr auto ASLEEP = seconds(3);

}  // namespace

Heartbeat::Heartbeat(MPI_Comm world, Clock::duration patience) : patience_(patience) {
  int size = 1;
  check(MPI_Comm_dup(world, &comm_));
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  check(MPI_Comm_rank(comm_, &rank_));
  check(MPI_Comm_size(comm_, &size));
  before_ = (rank_ + size - 1) % size;
  after_ = (rank_ + 1) % size;
  begun_.resize(static_cast<std::size_t>(size));
  in_ = out_ = begun_;
  heard_ = last_ = Clock::now();
  sent_ = heard_ - INTERVAL;
  listen();
}

void Heartbeat::listen() {
  check(MPI_Irecv(in_.data(), static_cast<int>(in_.size()), MPI_INT64_T, before_, 0, comm_, &incoming_));
}

bool Heartbeat::beat(int64_t begun) {
  const auto now = Clock::now();
  // A process that was stopped and resumed must not blame another.
  if (now - last_ > ASLEEP) heard_ += now - last_;
  last_ = now;
  int arrived = 0, gone = 0;
  for (;;) {
    check(MPI_Test(&incoming_, &arrived, MPI_STATUS_IGNORE));
    if (!arrived) break;
    heard_ = now;
    for (std::size_t i = 0; i < in_.size(); i++) begun_[i] = std::max(begun_[i], in_[i]);
    listen();
  }
  begun_[static_cast<std::size_t>(rank_)] = begun;
  check(MPI_Test(&outgoing_, &gone, MPI_STATUS_IGNORE));
  if (gone && now - sent_ >= INTERVAL) {
    out_ = begun_;
    check(MPI_Isend(out_.data(), static_cast<int>(out_.size()), MPI_INT64_T, after_, 0, comm_, &outgoing_));
    sent_ = now;
  }
  return now - heard_ > patience_;
}

void Heartbeat::stop() {
  if (incoming_ != MPI_REQUEST_NULL) {
    MPI_Cancel(&incoming_);
    MPI_Request_free(&incoming_);
  }
  if (outgoing_ != MPI_REQUEST_NULL) MPI_Request_free(&outgoing_);
}

}  // namespace verydeep
