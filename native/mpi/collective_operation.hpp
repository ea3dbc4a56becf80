// An operation that all ranks perform together, step by step, without ever blocking.
#pragma once

#include <mpi.h>

namespace verydeep {

class Memory;
class Outbox;

struct Ranks {
  /** For messages between two ranks, and for collective calls. */
  MPI_Comm messages = MPI_COMM_NULL, collectives = MPI_COMM_NULL;
  int rank = 0, size = 1;
  Memory* memory = nullptr;
  Outbox* outbox = nullptr;
};

/** All methods belong to MPI's thread. */
class CollectiveOperation {
 public:
  virtual ~CollectiveOperation() = default;
  /** @param number distinguishes operations in progress; all ranks start them in the same order */
  virtual void start(const Ranks& ranks, int number) = 0;
  /** Continues as far as possible without blocking. @returns whether it is done */
  virtual bool advance() = 0;
};

}  // namespace verydeep
