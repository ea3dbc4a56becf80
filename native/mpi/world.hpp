// Runs MPI on a separate thread, for the ranks that were started together.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "buffers.hpp"
#include "heartbeat.hpp"
#include "lateness.hpp"
#include "collective_operation.hpp"
#include "outbox.hpp"

namespace verydeep {

/** Creates the value of a promise, on JavaScript's thread. */
using Result = std::function<Napi::Value(Napi::Env)>;

/** What MPI reports about the ranks. */
struct Facts {
  int rank = 0, size = 1;
  /** Ranks on this machine. */
  int localSize = 1;
  std::string library;
  /** One for each rank. */
  std::vector<std::string> hosts;
  std::vector<int> pids;
};

/**
 * MPI is initialized, used and finalized on one thread, which never blocks in it. Operations advance in turns; after
 * turns without news the thread sleeps, to leave the processor to the arithmetic.
 */
class World : public std::enable_shared_from_this<World> {
 public:
  /**
   * @param patience seconds without a heartbeat from a rank after which it counts as lost
   * @param lost called once with its number and the seconds
   * @param late called rarely, with the numbers of ranks that are alive but late, and the seconds
   */
  static std::shared_ptr<World> start(Napi::Env env, double patience, const Napi::Function& lost,
                                      const Napi::Function& late, Napi::Promise::Deferred ready);
  ~World();

  /** Ranks must call this in the same order. @param keep the array that the operation works on */
  Napi::Promise run(Napi::Env env, std::unique_ptr<CollectiveOperation> operation, Result result,
                    const Napi::Value& keep);
  /** Finalizes MPI. Every rank must do it: close is called after a barrier. */
  Napi::Promise close(Napi::Env env);
  /** Ends all ranks immediately. */
  void abort(int code);

 private:
  struct Job;
  using Call = std::function<void(Napi::Env)>;

  World(Napi::Env env, double patience, const Napi::Function& lost, const Napi::Function& late);
  void enqueue(Napi::Env env, std::unique_ptr<Job> job);
  void loop();
  Facts open();
  /** @returns whether any operation finished, or the network was waiting for this thread */
  bool advance();
  void startWaiting();
  void settle(std::unique_ptr<Job> job, const std::string& error);
  /** Watches the other ranks. */
  void watch();
  void fail(const std::string& message);
  void rest(bool news);
  void finalize();
  /** Runs a function on JavaScript's thread. */
  void post(Call call);
  static void end(void* world);

  Napi::Env env_;
  std::chrono::duration<double> patience_;
  Napi::ThreadSafeFunction toJavaScript_;
  Napi::FunctionReference lost_, late_;
  std::optional<Napi::Promise::Deferred> ready_;
  /** Promises not yet settled; only JavaScript's thread uses this. */
  int unsettled_ = 0;
  Memory memory_;
  /** None after a failure. */
  std::optional<Outbox> outbox_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> waiting_;
  std::deque<std::unique_ptr<Job>> active_;
  Ranks ranks_;
  std::optional<Heartbeat> heartbeat_;
  std::optional<Lateness> lateness_;
  std::string broken_;
  int idleTurns_ = 0;
  /** Operations that have begun. */
  int64_t number_ = 0;
  std::atomic<bool> leaving_{false};
  std::atomic<int> abortCode_{0};
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace verydeep
