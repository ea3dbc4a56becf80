// Distinguishes a rank that has ended or stopped from one that is slow.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace verydeep {

/**
 * Each rank sends the next one a sign of life every second and listens to the one before. A rank's MPI thread does
 * nothing that takes long, so silence means that its process has ended or does not run. The sign of life carries what
 * is known of the progress of all ranks; after as many seconds as there are ranks, all ranks know it.
 */
class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;

  /** @param patience longest silence allowed */
  Heartbeat(MPI_Comm world, Clock::duration patience);
  /** Call it often. @param begun operations. @returns whether the rank before has been silent for too long */
  bool beat(int64_t begun);
  /** The operations that each rank has begun, as far as is known. */
  const std::vector<int64_t>& begun() const { return begun_; }
  /** Before the end of MPI. */
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
