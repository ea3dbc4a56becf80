#include "worker.hpp"

#include "memory_block.hpp"
#include "threads.hpp"

namespace verydeep {

struct Worker::Job {
  Work work;
  Result result;
  std::string error, code;
  std::optional<Napi::Promise::Deferred> deferred;
  std::vector<Napi::ObjectReference> keep;
  std::shared_ptr<void> held;
  /** Set for a notification, instead of the fields above. */
  std::function<void(Napi::Env)> news;
  /** Keeps the worker alive, since it has to settle the job. */
  std::shared_ptr<Worker> worker;
};

std::shared_ptr<Worker> Worker::start(Napi::Env env, int threads) {
  return std::shared_ptr<Worker>(new Worker(env, threads));
}

Worker::Worker(Napi::Env env, int threads) : env_(env), threads_(threads) {
  settler_ = Settler::New(env, "verydeep", 0, 1, this);
  settler_.Unref(env);
  // Runs before Node takes the settler down, as it was registered later.
  napi_add_env_cleanup_hook(env, &Worker::end, this);
  thread_ = std::thread([this] { loop(); });
}

Worker::~Worker() {
  if (!thread_.joinable()) return;  // the process is ending
  napi_remove_env_cleanup_hook(env_, &Worker::end, this);
  stop();
  settler_.Release();
}

void Worker::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Worker::end(void* worker) {
  // Queued jobs hold their worker: this keeps it alive while they are destroyed.
  const std::shared_ptr<Worker> self = static_cast<Worker*>(worker)->shared_from_this();
  self->stop();
  self->queue_.clear();
}

Napi::Promise Worker::run(Napi::Env env, Work work, const std::vector<Napi::Value>& keep,
                          std::shared_ptr<void> held) {
  auto job = std::make_unique<Job>();
  job->held = std::move(held);
  job->work = std::move(work);
  job->deferred.emplace(Napi::Promise::Deferred::New(env));
  for (const Napi::Value& value : keep) {
    if (value.IsObject()) job->keep.push_back(Napi::Persistent(value.As<Napi::Object>()));
  }
  const Napi::Promise promise = job->deferred->Promise();
  enqueue(env, std::move(job));
  return promise;
}

void Worker::notify(std::function<void(Napi::Env)> news) {
  auto job = std::make_unique<Job>();
  job->worker = shared_from_this();
  job->news = std::move(news);
  settler_.NonBlockingCall(job.release());
}

void Worker::release(Napi::Env env, std::shared_ptr<void> object) {
  auto job = std::make_unique<Job>();
  job->work = [object = std::move(object)]() mutable {
    object.reset();
    return Result();
  };
  enqueue(env, std::move(job));
}

void Worker::enqueue(Napi::Env env, std::unique_ptr<Job> job) {
  job->worker = shared_from_this();
  if (unsettled_++ == 0) settler_.Ref(env);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_all();
}

void Worker::loop() {
  const ThreadPool pool(threads_);
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    perform(*job);
    // This fails if JavaScript has ended, with all references; then nothing can be done for the job.
    Job* raw = job.release();
    settler_.NonBlockingCall(raw);
  }
}

void Worker::perform(Job& job) {
  try {
    job.result = job.work();
  } catch (const OutOfMemory& error) {
    job.error = error.what();
    job.code = "ERR_OUT_OF_MEMORY";
  } catch (const std::bad_alloc&) {
    job.error = "out of memory; lower the micro-batch or the image size, or free some memory";
    job.code = "ERR_OUT_OF_MEMORY";
  } catch (const std::exception& error) {
    job.error = error.what();
  }
  // Destroys what the job holds, perhaps the last reference to a program, on this thread, before its promise is settled.
  job.work = nullptr;
}

void Worker::settle(Napi::Env env, Napi::Function, Worker*, Job* raw) {
  const std::unique_ptr<Job> job(raw);
  try {
    if (env && job->news) job->news(env);
    else if (env) job->worker->settleJob(env, *job);
  } catch (const Napi::Error&) {
    // JavaScript's thread is being terminated, so nothing waits for the promise anymore.
  }
  if (!env) {
    for (Napi::ObjectReference& reference : job->keep) reference.SuppressDestruct();
    // Leaks what is held, for the same reason: its references may not be deleted anymore.
    new std::shared_ptr<void>(std::move(job->held));
  }
}

void Worker::settleJob(Napi::Env env, Job& job) {
  if (--unsettled_ == 0) settler_.Unref(env);
  if (!job.deferred) return;
  if (job.error.empty()) {
    job.deferred->Resolve(job.result ? job.result(env) : env.Undefined());
    return;
  }
  Napi::Error error = Napi::Error::New(env, job.error);
  if (!job.code.empty()) error.Set("code", Napi::String::New(env, job.code));
  job.deferred->Reject(error.Value());
}

}  // namespace verydeep
