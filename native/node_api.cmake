# Settings that all addons share. Node's API headers come from npm packages, so no build step downloads anything.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# node_modules is in the project, or contains it if the project is itself a dependency.
get_filename_component(project_folder "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(node_modules "${project_folder}/node_modules" "${project_folder}/..")
find_path(NODE_API_HEADERS node_api.h PATHS ${node_modules} PATH_SUFFIXES node-api-headers/include NO_DEFAULT_PATH)
find_path(NODE_ADDON_API napi.h PATHS ${node_modules} PATH_SUFFIXES node-addon-api NO_DEFAULT_PATH)
if(NOT NODE_API_HEADERS OR NOT NODE_ADDON_API)
  message(FATAL_ERROR "The headers of Node's API are missing: run `npm ci` in ${project_folder} first.")
endif()

# Makes a module library an addon, NAME.node.
function(as_node_addon name)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".node" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  target_include_directories(${name} SYSTEM PRIVATE ${NODE_API_HEADERS} ${NODE_ADDON_API})
  # The last one, because no error can be thrown into a JavaScript thread that is being terminated.
  target_compile_definitions(${name} PRIVATE NAPI_VERSION=8 NODE_ADDON_API_CPP_EXCEPTIONS
    NODE_ADDON_API_DISABLE_DEPRECATED NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
  if(APPLE)
    target_link_options(${name} PRIVATE -undefined dynamic_lookup)
  endif()
endfunction()
