// What goes to the other ranks, in pieces that need no leave.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <deque>
#include <vector>

namespace verydeep {

/**
 * Bytes of a piece; a message that is longer travels as several. MPI announces what is longer than this and waits to
 * be asked for it: over TCP both the announcement and the answer would stand behind all that the sockets hold
 * (docs/explanation/measurements.md, "Several machines"). Open MPI's limit, headers included, is 64 KiB.
 */
constexpr int64_t PIECE_BYTES = 65024;

/** Calls `visit(first value, values)` for the pieces of a message, on both of its ends. */
template <class Visit>
void forPieces(int64_t count, int64_t valueBytes, const Visit& visit) {
  const int64_t most = PIECE_BYTES / valueBytes;
  for (int64_t at = 0; at < count; at += most) visit(at, static_cast<int>(count - at < most ? count - at : most));
}

/**
 * To each rank messages go in the order in which they were given, a few pieces at a time, so that a sign of life
 * does not wait for all that is to be sent.
 */
class Outbox {
 public:
  Outbox(MPI_Comm comm, int size);

  /**
   * @param data stays as it is until all is sent
   * @param type of values of `valueBytes` bytes
   * @param unsent counts pieces: more by this message's at once, one less with each that has gone
   */
  void send(const void* data, int64_t count, MPI_Datatype type, int64_t valueBytes, int to, int tag, int* unsent);
  /** Lets MPI work. @returns whether more could have been sent since the last time */
  bool advance();

 private:
  struct Piece {
    const char* data;
    int count;
    MPI_Datatype type;
    int to, tag;
    int* unsent;
  };
  struct Lane {
    std::deque<Piece> waiting;
    int underWay = 0;
  };

  void post(Lane& lane);

  MPI_Comm comm_;
  int most_;
  std::vector<Lane> lanes_;
  /** Of the pieces under way. */
  std::vector<MPI_Request> requests_;
  std::vector<Piece> pieces_;
  std::vector<int> gone_;
};

}  // namespace verydeep
