#pragma once
#include <string>

namespace verydeep {

/** The file of this library, which a Vulkan loader can load as a layer (see gpu_layer.cpp); empty where it cannot. */
std::string gpuLayerFile();

}  // namespace verydeep
