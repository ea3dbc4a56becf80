#include "heartbeat.hpp"

#include "messages.hpp"

namespace verydeep {
namespace {

using std::chrono::seconds;

constexpr auto INTERVAL = seconds(1);
/** A gap between two calls that no business of this thread explains: this process did not run itself. */
constexpr auto ASLEEP = seconds(3);

}  // namespace

Heartbeat::Heartbeat(MPI_Comm world, Clock::duration patience) : patience_(patience) {
  int rank = 0, size = 1;
  check(MPI_Comm_dup(world, &comm_));
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  check(MPI_Comm_rank(comm_, &rank));
  check(MPI_Comm_size(comm_, &size));
  before_ = (rank + size - 1) % size;
  after_ = (rank + 1) % size;
  heard_ = last_ = Clock::now();
  sent_ = heard_ - INTERVAL;
  listen();
}

void Heartbeat::listen() { check(MPI_Irecv(&in_, 1, MPI_CHAR, before_, 0, comm_, &incoming_)); }

bool Heartbeat::beat() {
  const auto now = Clock::now();
  // Who was stopped and goes on must not blame another.
  if (now - last_ > ASLEEP) heard_ += now - last_;
  last_ = now;
  int arrived = 0, gone = 0;
  for (;;) {
    check(MPI_Test(&incoming_, &arrived, MPI_STATUS_IGNORE));
    if (!arrived) break;
    heard_ = now;
    listen();
  }
  check(MPI_Test(&outgoing_, &gone, MPI_STATUS_IGNORE));
  if (gone && now - sent_ >= INTERVAL) {
    check(MPI_Isend(&out_, 1, MPI_CHAR, after_, 0, comm_, &outgoing_));
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
