// Something that all ranks do together, step by step and never waiting.
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

/** All methods belong to the thread that MPI belongs to. */
class Operation {
 public:
  virtual ~Operation() = default;
  /** @param number tells operations that are under way apart; all ranks start them in the same order */
  virtual void start(const Ranks& ranks, int number) = 0;
  /** Goes on as far as it can without waiting. @returns whether it is over */
  virtual bool advance() = 0;
};

}  // namespace verydeep
