#include "world.hpp"

#include <unistd.h>

#include <algorithm>

#include "messages.hpp"

namespace verydeep {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

/** Most operations in progress: enough to keep a network busy, few enough to need little memory. */
constexpr std::size_t MOST_ACTIVE = 4;
/** Turns without news before the thread sleeps; its shortest and longest sleep with work, and its sleep without. */
constexpr int EAGER_TURNS = 8;
constexpr microseconds LEAST_SLEEP(50), MOST_SLEEP(400), IDLE_SLEEP(100'000);

/** Operation numbers in message tags wrap around here; far more than operations in progress. */
constexpr int64_t TAGS = 8192;

std::string hostName() {
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  check(MPI_Get_processor_name(name, &length));
  return std::string(name, static_cast<std::size_t>(length));
}

std::string libraryVersion() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  check(MPI_Get_library_version(text, &length));
  return std::string(text, static_cast<std::size_t>(length));
}

std::vector<std::string> hostsOf(MPI_Comm world, int size) {
  constexpr std::size_t width = MPI_MAX_PROCESSOR_NAME;
  std::string mine = hostName();
  mine.resize(width);
  std::string all(width * static_cast<std::size_t>(size), '\0');
  check(MPI_Allgather(mine.data(), width, MPI_CHAR, all.data(), width, MPI_CHAR, world));
  std::vector<std::string> hosts;
  for (int i = 0; i < size; i++) hosts.emplace_back(all.data() + width * static_cast<std::size_t>(i));
  return hosts;
}

std::vector<int> pidsOf(MPI_Comm world, int size) {
  const int mine = static_cast<int>(getpid());
  std::vector<int> all(static_cast<std::size_t>(size));
  check(MPI_Allgather(&mine, 1, MPI_INT, all.data(), 1, MPI_INT, world));
  return all;
}

int sizeOnThisMachine(MPI_Comm world) {
  MPI_Comm local = MPI_COMM_NULL;
  check(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local));
  int size = 1;
  check(MPI_Comm_size(local, &size));
  check(MPI_Comm_free(&local));
  return size;
}

MPI_Comm duplicate(MPI_Comm world) {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(world, &copy));
  check(MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN));
  return copy;
}

Napi::Value describe(Napi::Env env, const Facts& facts) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("rank", facts.rank);
  result.Set("size", facts.size);
  result.Set("localSize", facts.localSize);
  result.Set("library", facts.library);
  Napi::Array hosts = Napi::Array::New(env), pids = Napi::Array::New(env);
  for (uint32_t i = 0; i < facts.hosts.size(); i++) {
    hosts.Set(i, facts.hosts[i]);
    pids.Set(i, facts.pids[i]);
  }
  result.Set("hosts", hosts);
  result.Set("pids", pids);
  return result;
}

}  // namespace

struct World::Job {
  /** Null for the last job, which finalizes MPI. */
  std::unique_ptr<CollectiveOperation> operation;
  int64_t number = -1;
  Result result;
  std::optional<Napi::Promise::Deferred> deferred;
  Napi::ObjectReference keep;
};

std::shared_ptr<World> World::start(Napi::Env env, double patience, const Napi::Function& lost,
                                    const Napi::Function& late, Napi::Promise::Deferred ready) {
  const auto world = std::shared_ptr<World>(new World(env, patience, lost, late));
  world->ready_.emplace(ready);
  world->unsettled_ = 1;
  world->thread_ = std::thread([raw = world.get()] { raw->loop(); });
  return world;
}

World::World(Napi::Env env, double patience, const Napi::Function& lost, const Napi::Function& late)
    : env_(env), patience_(patience) {
  const auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  toJavaScript_ = Napi::ThreadSafeFunction::New(env, nothing, "verydeep-mpi", 0, 1);
  lost_ = Napi::Persistent(lost);
  late_ = Napi::Persistent(late);
  napi_add_env_cleanup_hook(env, &World::end, this);
}

World::~World() {
  leaving_ = true;
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

/** The process exits. If it did not call close, MPI is not finalized, and the launcher ends the other ranks. */
void World::end(void* world) {
  World& self = *static_cast<World*>(world);
  self.leaving_ = true;
  self.wake_.notify_all();
  if (self.thread_.joinable()) self.thread_.join();
  self.lost_.Reset();
  self.late_.Reset();
  self.waiting_.clear();
  self.active_.clear();
}

Napi::Promise World::run(Napi::Env env, std::unique_ptr<CollectiveOperation> operation, Result result,
                         const Napi::Value& keep) {
  auto job = std::make_unique<Job>();
  job->operation = std::move(operation);
  job->result = std::move(result);
  job->deferred.emplace(Napi::Promise::Deferred::New(env));
  if (keep.IsObject()) job->keep = Napi::Persistent(keep.As<Napi::Object>());
  const Napi::Promise promise = job->deferred->Promise();
  enqueue(env, std::move(job));
  return promise;
}

Napi::Promise World::close(Napi::Env env) { return run(env, nullptr, nullptr, env.Undefined()); }

void World::enqueue(Napi::Env env, std::unique_ptr<Job> job) {
  if (unsettled_++ == 0) toJavaScript_.Ref(env);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  wake_.notify_all();
}

void World::abort(int code) {
  abortCode_ = code;
  wake_.notify_all();
}

void World::post(Call call) {
  auto* raw = new Call(std::move(call));
  const auto perform = [](Napi::Env env, Napi::Function, Call* posted) {
    const std::unique_ptr<Call> owned(posted);
    if (env) (*owned)(env);
  };
  if (toJavaScript_.NonBlockingCall(raw, perform) != napi_ok) delete raw;
}

void World::settle(std::unique_ptr<Job> job, const std::string& error) {
  // The operation's memory is freed here; the job holds references, so it is destroyed on JavaScript's thread.
  job->operation.reset();
  post([this, shared = std::shared_ptr<Job>(std::move(job)), error](Napi::Env env) {
    if (--unsettled_ == 0) toJavaScript_.Unref(env);
    if (error.empty()) shared->deferred->Resolve(shared->result ? shared->result(env) : env.Undefined());
    else shared->deferred->Reject(Napi::Error::New(env, error).Value());
    shared->keep.Reset();
  });
}

Facts World::open() {
  int provided = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
  check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  Facts facts;
  check(MPI_Comm_rank(MPI_COMM_WORLD, &facts.rank));
  check(MPI_Comm_size(MPI_COMM_WORLD, &facts.size));
  facts.localSize = sizeOnThisMachine(MPI_COMM_WORLD);
  facts.library = libraryVersion();
  facts.hosts = hostsOf(MPI_COMM_WORLD, facts.size);
  facts.pids = pidsOf(MPI_COMM_WORLD, facts.size);
  ranks_ = {duplicate(MPI_COMM_WORLD), duplicate(MPI_COMM_WORLD), facts.rank, facts.size, &memory_};
  outbox_.emplace(ranks_.messages, facts.size);
  ranks_.outbox = &*outbox_;
  if (facts.size > 1) {
    const auto patience = duration_cast<Heartbeat::Clock::duration>(patience_);
    heartbeat_.emplace(MPI_COMM_WORLD, patience);
    // By then the heartbeats have told all ranks how far the others have got.
    lateness_.emplace(facts.rank, patience + std::chrono::seconds(facts.size));
  }
  return facts;
}

void World::loop() {
  Facts facts;
  std::string error;
  try {
    facts = open();
  } catch (const std::exception& caught) {
    error = caught.what();
  }
  post([this, facts, error](Napi::Env env) {
    if (--unsettled_ == 0) toJavaScript_.Unref(env);
    if (error.empty()) ready_->Resolve(describe(env, facts));
    else ready_->Reject(Napi::Error::New(env, error).Value());
  });
  if (!error.empty()) return;
  while (!leaving_ && !closed_) {
    if (const int code = abortCode_) MPI_Abort(MPI_COMM_WORLD, code);
    bool news = false;
    try {
      startWaiting();
      news = advance();
      if (broken_.empty() && heartbeat_) watch();
    } catch (const std::exception& caught) {
      fail(caught.what());
    }
    if (!closed_) rest(news);
  }
}

void World::watch() {
  if (heartbeat_->beat(number_)) {
    post([this, rank = heartbeat_->watched(), seconds = heartbeat_->silentSeconds()](Napi::Env env) {
      lost_.Call({Napi::Number::New(env, rank), Napi::Number::New(env, seconds)});
    });
    fail("a rank is lost");
    return;
  }
  const auto late = lateness_->check(active_.empty() ? -1 : active_.front()->number, heartbeat_->begun());
  if (!late) return;
  post([this, late = *late](Napi::Env env) {
    Napi::Array ranks = Napi::Array::New(env);
    for (uint32_t i = 0; i < late.ranks.size(); i++) ranks.Set(i, late.ranks[i]);
    late_.Call({ranks, Napi::Number::New(env, late.seconds)});
  });
}

void World::startWaiting() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!waiting_.empty() && active_.size() < MOST_ACTIVE) {
    std::unique_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    if (!broken_.empty()) {
      settle(std::move(job), broken_);
    } else {
      active_.push_back(std::move(job));
      if (active_.back()->operation) {
        active_.back()->number = number_;
        active_.back()->operation->start(ranks_, static_cast<int>(number_++ % TAGS));
      }
    }
    lock.lock();
  }
}

bool World::advance() {
  bool news = outbox_ && outbox_->advance();
  for (auto at = active_.begin(); at != active_.end();) {
    Job& job = **at;
    const bool last = job.operation == nullptr;
    if (last ? active_.size() > 1 : !job.operation->advance()) {
      ++at;
      continue;
    }
    if (last) finalize();
    std::unique_ptr<Job> done = std::move(*at);
    at = active_.erase(at);
    settle(std::move(done), "");
    news = true;
  }
  return news;
}

/** No operation can run after a failure: messages in flight may still write to their arrays. */
void World::fail(const std::string& message) {
  broken_ = message;
  for (std::unique_ptr<Job>& job : active_) settle(std::move(job), message);
  active_.clear();
  outbox_.reset();
}

void World::rest(bool news) {
  idleTurns_ = news ? 0 : idleTurns_ + 1;
  const bool working = !active_.empty();
  if (working && idleTurns_ < EAGER_TURNS) {
    std::this_thread::yield();
    return;
  }
  const auto sleep = working ? std::min(MOST_SLEEP, LEAST_SLEEP * (1 + idleTurns_ / 64)) : IDLE_SLEEP;
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait_for(lock, sleep, [this] {
    return leaving_ || abortCode_ != 0 || (!waiting_.empty() && active_.size() < MOST_ACTIVE);
  });
}

void World::finalize() {
  if (heartbeat_) heartbeat_->stop();
  heartbeat_.reset();
  check(MPI_Finalize());
  closed_ = true;
}

}  // namespace verydeep
