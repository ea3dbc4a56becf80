// Non-blocking messages, and what MPI's error codes mean.
#pragma once

#include <mpi.h>

#include <stdexcept>
#include <vector>

namespace verydeep {

/** @throws std::runtime_error with MPI's own words */
void check(int code);

/** Messages under way. */
class Requests {
 public:
  /** The place for a new request. */
  MPI_Request* add();
  /** Lets MPI work. @returns whether all have arrived; then there are none any more */
  bool done();

 private:
  std::vector<MPI_Request> requests_;
  std::vector<int> indices_;
  int open_ = 0;
};

}  // namespace verydeep
