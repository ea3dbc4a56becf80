// Shared by the two halves of the binding: JavaScript handles of native objects, and checks for memory safety.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "parameters.hpp"
#include "planner.hpp"
#include "program.hpp"
#include "worker.hpp"

namespace verydeep {

struct Engine {
  std::shared_ptr<Worker> worker;
  std::shared_ptr<Context> context;
};

/** A native object that JavaScript holds. Its kind is the address of a variable that exists once per type. */
struct Handle {
  const void* kind;
  std::shared_ptr<void> object;
};

template <class T>
const void* kindOf() {
  static const char kind = 0;
  return &kind;
}

template <class T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> object) {
  return Napi::External<Handle>::New(env, new Handle{kindOf<T>(), std::move(object)},
                                     [](Napi::Env, Handle* handle) { delete handle; });
}

template <class T>
std::shared_ptr<T> unwrap(const Napi::Value& value) {
  if (value.IsExternal()) {
    const Handle* handle = value.As<Napi::External<Handle>>().Data();
    if (handle->kind == kindOf<T>() && handle->object) return std::static_pointer_cast<T>(handle->object);
  }
  throw Napi::TypeError::New(value.Env(), "this native object is of another kind, or was disposed of");
}

/** The data of a typed array. @throws TypeError unless it has this element type and exactly `count` values */
template <class T>
T* dataOf(const Napi::Value& value, napi_typedarray_type type, int64_t count, const char* what) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type) {
    const auto array = value.As<Napi::TypedArrayOf<T>>();
    if (static_cast<int64_t>(array.ElementLength()) == count) return const_cast<T*>(array.Data());
  }
  throw Napi::TypeError::New(value.Env(), std::string(what) + " must be a typed array of " + std::to_string(count) + " values");
}

inline std::vector<int64_t> integersOf(const Napi::Array& array) {
  std::vector<int64_t> integers;
  for (uint32_t i = 0; i < array.Length(); i++) integers.push_back(array.Get(i).ToNumber().Int64Value());
  return integers;
}

inline float* floatsOf(const Napi::Value& value, int64_t count, const char* what) {
  return dataOf<float>(value, napi_float32_array, count, what);
}

void bindPrograms(Napi::Env env, Napi::Object exports);

}  // namespace verydeep
