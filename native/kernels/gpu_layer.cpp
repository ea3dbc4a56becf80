// A Vulkan layer that tells identical GPUs apart. WebGPU in Node opens the first GPU with a given name. With this layer
// a new Vulkan instance lacks the first VERYDEEP_GPU_SKIP GPUs of each name, so that the next one is the first.
// Layers: https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderLayerInterface.md. The types are declared
// here as Vulkan's ABI has them, since the addon is built without Vulkan's headers.
#include "gpu_layer.hpp"

#ifdef __linux__
#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace verydeep {
namespace {

using Instance = void*;
using PhysicalDevice = void*;
using Function = void (*)();
using GetProcAddr = Function (*)(Instance, const char*);
using CreateInstance = int32_t (*)(const void*, const void*, Instance*);
using DestroyInstance = void (*)(Instance, const void*);
using EnumeratePhysicalDevices = int32_t (*)(Instance, uint32_t*, PhysicalDevice*);
using GetPhysicalDeviceProperties = void (*)(PhysicalDevice, void*);

constexpr int32_t SUCCESS = 0;
constexpr int32_t INCOMPLETE = 5;
constexpr int32_t INITIALIZATION_FAILED = -3;

/** VkPhysicalDeviceProperties up to the name; the whole structure has 824 bytes. */
struct Properties {
  uint32_t versionsAndIds[5];
  char name[256];
  uint64_t rest[128];
};

/** VkBaseInStructure. */
struct Chained {
  int32_t type;
  const Chained* next;
};

struct Link {
  Link* next;
  GetProcAddr nextGetProcAddr;
  void* nextGetPhysicalDeviceProcAddr;
};

/** VkLayerInstanceCreateInfo. */
struct LayerCreateInfo {
  int32_t type;
  const Chained* next;
  int32_t function;
  Link* link;
};
constexpr int32_t LOADER_INSTANCE_CREATE_INFO = 47;
constexpr int32_t LAYER_LINK_INFO = 0;

/** VkNegotiateLayerInterface. */
struct Negotiation {
  int32_t type;
  void* next;
  uint32_t version;
  GetProcAddr getInstanceProcAddr;
  void* getDeviceProcAddr;
  void* getPhysicalDeviceProcAddr;
};
constexpr uint32_t INTERFACE_VERSION = 2;

/** An instance. Its functions are looked up when it is created: later the loader would return this layer's. */
struct Known {
  GetProcAddr next;
  DestroyInstance destroy;
  EnumeratePhysicalDevices enumerate;
  GetPhysicalDeviceProperties describe;
  unsigned long skip;
};

std::mutex mutex;
std::map<Instance, Known> instances;

Known knownOf(Instance instance) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = instances.find(instance);
  return found == instances.end() ? Known{} : found->second;
}

int32_t createInstance(const void* info, const void* allocator, Instance* instance) {
  // The structure that starts with `info` continues with a chain, in which the loader has put this layer's link.
  const Chained* at = static_cast<const Chained*>(info)->next;
  for (; at; at = at->next) {
    const auto* candidate = reinterpret_cast<const LayerCreateInfo*>(at);
    if (at->type == LOADER_INSTANCE_CREATE_INFO && candidate->function == LAYER_LINK_INFO) break;
  }
  if (!at) return INITIALIZATION_FAILED;
  auto* own = reinterpret_cast<LayerCreateInfo*>(const_cast<Chained*>(at));
  const GetProcAddr next = own->link->nextGetProcAddr;
  own->link = own->link->next;
  const auto create = reinterpret_cast<CreateInstance>(next(nullptr, "vkCreateInstance"));
  if (!create) return INITIALIZATION_FAILED;
  const int32_t result = create(info, allocator, instance);
  if (result == SUCCESS) {
    const char* skip = std::getenv("VERYDEEP_GPU_SKIP");
    const Known known{
        next,
        reinterpret_cast<DestroyInstance>(next(*instance, "vkDestroyInstance")),
        reinterpret_cast<EnumeratePhysicalDevices>(next(*instance, "vkEnumeratePhysicalDevices")),
        reinterpret_cast<GetPhysicalDeviceProperties>(next(*instance, "vkGetPhysicalDeviceProperties")),
        skip ? std::strtoul(skip, nullptr, 10) : 0,
    };
    const std::lock_guard<std::mutex> lock(mutex);
    instances[*instance] = known;
  }
  return result;
}

void destroyInstance(Instance instance, const void* allocator) {
  const Known known = knownOf(instance);
  {
    const std::lock_guard<std::mutex> lock(mutex);
    instances.erase(instance);
  }
  if (known.destroy) known.destroy(instance, allocator);
}

/** All GPUs but the first ones of each name. */
std::vector<PhysicalDevice> withoutSkipped(const Known& known, const std::vector<PhysicalDevice>& all) {
  std::map<std::string, unsigned long> seen;
  std::vector<PhysicalDevice> kept;
  for (PhysicalDevice device : all) {
    Properties properties{};
    if (known.describe) known.describe(device, &properties);
    if (seen[properties.name]++ >= known.skip) kept.push_back(device);
  }
  return kept;
}

int32_t enumeratePhysicalDevices(Instance instance, uint32_t* count, PhysicalDevice* devices) {
  const Known known = knownOf(instance);
  if (!known.enumerate) return INITIALIZATION_FAILED;
  uint32_t number = 0;
  int32_t result = known.enumerate(instance, &number, nullptr);
  if (result != SUCCESS) return result;
  std::vector<PhysicalDevice> all(number);
  result = known.enumerate(instance, &number, all.data());
  if (result != SUCCESS) return result;
  all.resize(number);
  const std::vector<PhysicalDevice> kept = withoutSkipped(known, all);
  const auto available = static_cast<uint32_t>(kept.size());
  if (!devices) {
    *count = available;
    return SUCCESS;
  }
  const uint32_t written = *count < available ? *count : available;
  for (uint32_t i = 0; i < written; i++) devices[i] = kept[i];
  *count = written;
  return written < available ? INCOMPLETE : SUCCESS;
}

Function getInstanceProcAddr(Instance instance, const char* name) {
  const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  if (is("vkGetInstanceProcAddr")) return reinterpret_cast<Function>(getInstanceProcAddr);
  if (is("vkCreateInstance")) return reinterpret_cast<Function>(createInstance);
  if (is("vkDestroyInstance")) return reinterpret_cast<Function>(destroyInstance);
  if (is("vkEnumeratePhysicalDevices")) return reinterpret_cast<Function>(enumeratePhysicalDevices);
  const Known known = knownOf(instance);
  return known.next ? known.next(instance, name) : nullptr;
}

}  // namespace

std::string gpuLayerFile() {
  Dl_info info;
  return dladdr(reinterpret_cast<void*>(getInstanceProcAddr), &info) && info.dli_fname ? info.dli_fname : "";
}

}  // namespace verydeep

/** The entry point of a Vulkan layer. */
extern "C" __attribute__((visibility("default"))) int32_t vkNegotiateLoaderLayerInterfaceVersion(
    verydeep::Negotiation* negotiation) {
  if (negotiation->version < verydeep::INTERFACE_VERSION) return verydeep::INITIALIZATION_FAILED;
  negotiation->version = verydeep::INTERFACE_VERSION;
  negotiation->getInstanceProcAddr = verydeep::getInstanceProcAddr;
  negotiation->getDeviceProcAddr = nullptr;
  negotiation->getPhysicalDeviceProcAddr = nullptr;
  return verydeep::SUCCESS;
}

#else

namespace verydeep {

std::string gpuLayerFile() { return ""; }

}  // namespace verydeep
#endif
