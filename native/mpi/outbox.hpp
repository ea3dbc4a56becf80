// Sends messages to other ranks, in pieces small enough for MPI to send without a handshake.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <deque>
#include <vector>

namespace verydeep {

/**
 * Bytes of a piece; a longer message is sent as several. MPI announces longer messages and waits for a request. Over TCP,
 * both the announcement and the reply would queue behind everything in the sockets
 * (docs/explanation/measurements.md, "Several machines"). Open MPI's limit, headers included, is 64 KiB.
 */
constexpr int64_t PIECE_BYTES = 65024;

/** Calls `visit(first value, number of values)` for the pieces of a message; sender and receiver both use it. */
template <class Visit>
void forPieces(int64_t count, int64_t valueBytes, const Visit& visit) {
  const int64_t most = PIECE_BYTES / valueBytes;
  for (int64_t at = 0; at < count; at += most) visit(at, static_cast<int>(count - at < most ? count - at : most));
}

/**
 * Sends the messages for each rank in order, a few pieces at a time, so that a heartbeat does not wait behind all of
 * them.
 */
class Outbox {
 public:
  Outbox(MPI_Comm comm, int size);

  /**
   * @param data must not change until it is sent
   * @param type of values of `valueBytes` bytes
   * @param unsent a count of pieces: increased by this message's pieces now, and decreased as they are sent
   */
  void send(const void* data, int64_t count, MPI_Datatype type, int64_t valueBytes, int to, int tag, int* unsent);
  /** Lets MPI make progress. @returns whether more could have been sent since the last call */
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
    int inFlight = 0;
  };

  void post(Lane& lane);

  MPI_Comm comm_;
  int most_;
  std::vector<Lane> lanes_;
  /** Requests of the pieces in flight. */
  std::vector<MPI_Request> requests_;
  std::vector<Piece> pieces_;
  std::vector<int> completed_;
};

}  // namespace verydeep
