// Tells a rank that is gone, or stopped, from one that is slow.
#pragma once

#include <mpi.h>

#include <chrono>

namespace verydeep {

/**
 * Each rank lets the next one know every second that it lives, and listens to the one before. A rank's thread for
 * MPI does nothing that takes long, so silence means that its process is gone or does not run.
 */
class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;

  /** @param patience how long a silence may last */
  Heartbeat(MPI_Comm world, Clock::duration patience);
  /** To be called often. @returns whether the rank before has been silent for too long */
  bool beat();
  /** Before the end of MPI. */
  void stop();
  int watched() const { return before_; }
  double silentSeconds() const { return std::chrono::duration<double>(Clock::now() - heard_).count(); }

 private:
  void listen();

  MPI_Comm comm_ = MPI_COMM_NULL;
  int before_ = 0, after_ = 0;
  Clock::duration patience_;
  Clock::time_point heard_, sent_, last_;
  MPI_Request incoming_ = MPI_REQUEST_NULL, outgoing_ = MPI_REQUEST_NULL;
  char in_ = 0, out_ = 0;
};

}  // namespace verydeep
