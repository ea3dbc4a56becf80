// Tells a rank that is gone, or stopped, from one that is slow.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace verydeep {

/**
 * Each rank lets the next one know every second that it lives, and listens to the one before. A rank's thread for
 * MPI does nothing that takes long, so silence means that its process is gone or does not run. With the sign of
 * life goes what is known of how far all ranks have come: after so many seconds as there are ranks everybody has it.
 */
class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;

  /** @param patience how long a silence may last */
  Heartbeat(MPI_Comm world, Clock::duration patience);
  /** To be called often. @param begun operations. @returns whether the rank before has been silent for too long */
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
