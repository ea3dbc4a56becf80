// Non-blocking messages, and exceptions for MPI's error codes.
#pragma once

#include <mpi.h>

#include <stdexcept>
#include <vector>

namespace verydeep {

/** @throws std::runtime_error with MPI's message */
void check(int code);

/** Messages in flight. */
class Requests {
 public:
  /** Where to store a new request. */
  MPI_Request* add();
  /** Lets MPI make progress. @returns whether all are complete; then the list is empty */
  bool done();

 private:
  std::vector<MPI_Request> requests_;
  std::vector<int> indices_;
  int open_ = 0;
};

}  // namespace verydeep
