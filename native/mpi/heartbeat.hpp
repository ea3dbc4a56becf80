// Tells a rank that has exited or stopped from one that is slow.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace verydeep {

/**
 * Each rank sends a heartbeat to the next rank every second and listens to the one before. A rank's MPI thread does
 * nothing that takes long, so silence means that its process has exited or is stopped. The heartbeat carries what the
 * sender knows about the progress of all ranks; after as many seconds as there are ranks, all ranks know it.
 */
class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;

  /** @param patience the longest silence allowed */
  Heartbeat(MPI_Comm world, Clock::duration patience);
  /** Call often. @param begun operations begun here. @returns whether the rank before has been silent for too long */
  bool beat(int64_t begun);
  /** How many operations each rank has begun, as far as is known. */
  const std::vector<int64_t>& begun() const { return begun_; }
  /** Call before MPI_Finalize. */
  void stop();
  int watched() const { return before_; }
  double silentSeconds() const { return std::chrono::duration<double>(Clock::now() - heard_).count(); }

 private:
  void listen();

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, before_ = 0, after_ = 0;
  Clock::duration patience_;
  Clock::time_point heard_, sent_, last_;
  MPI_Request incoming_ = MPI_REQUEST_NULL, outgoing_ = MPI_REQUEST_NULL;
  std::vector<int64_t> begun_, in_, out_;
};

}  // namespace verydeep
