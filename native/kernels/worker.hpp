// The thread that runs all arithmetic of a backend.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace verydeep {

/** Creates the value of a job's promise, on JavaScript's thread. */
using Result = std::function<Napi::Value(Napi::Env)>;
/** A job. It may return no result. */
using Work = std::function<Result()>;

/**
 * Runs jobs in the order in which they were queued and settles their promises on JavaScript's thread. A separate
 * thread, which owns the pool of threads that compute, instead of libuv's pool. An idle worker does not keep the process
 * alive. When the process exits, the running job is asked to stop and the others never
 * run.
 */
class Worker : public std::enable_shared_from_this<Worker> {
 public:
  static std::shared_ptr<Worker> start(Napi::Env env, int threads);
  ~Worker();

  /**
   * @param keep JavaScript objects that the job uses, such as arrays
   * @param held destroyed on JavaScript's thread, after the job
   */
  Napi::Promise run(Napi::Env env, Work work, const std::vector<Napi::Value>& keep = {},
                    std::shared_ptr<void> held = nullptr);
  /** Call within a job. Runs `news` on JavaScript's thread, before the job's promise is settled. */
  void notify(std::function<void(Napi::Env)> news);
  /** Destroys an object on the worker's thread, after all jobs queued before it. */
  void release(Napi::Env env, std::shared_ptr<void> object);
  const std::atomic<bool>& stopping() const { return stopping_; }

 private:
  struct Job;
  static void settle(Napi::Env env, Napi::Function, Worker*, Job* job);
  void settleJob(Napi::Env env, Job& job);
  using Settler = Napi::TypedThreadSafeFunction<Worker, Job, &Worker::settle>;

  Worker(Napi::Env env, int threads);
  void enqueue(Napi::Env env, std::unique_ptr<Job> job);
  void loop();
  static void perform(Job& job);
  /** Ends the thread. */
  void stop();
  /** Calls `stop` when the process, or the JavaScript thread that this belongs to, exits. */
  static void end(void* worker);

  Napi::Env env_;
  int threads_;
  Settler settler_;
  /** Jobs whose promises are not settled; only JavaScript's thread uses this. */
  int unsettled_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace verydeep
