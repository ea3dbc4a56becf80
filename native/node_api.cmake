# Settings that all addons share. Node's API headers come from npm packages, so no build step downloads anything.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(node_api_folder "${CMAKE_CURRENT_LIST_DIR}")

# node_modules is in the project, or contains it if the project is itself a dependency.
get_filename_component(project_folder "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(node_modules "${project_folder}/node_modules" "${project_folder}/..")
find_path(NODE_API_HEADERS node_api.h PATHS ${node_modules} PATH_SUFFIXES node-api-headers/include NO_DEFAULT_PATH)
find_path(NODE_ADDON_API napi.h PATHS ${node_modules} PATH_SUFFIXES node-addon-api NO_DEFAULT_PATH)
if(NOT NODE_API_HEADERS OR NOT NODE_ADDON_API)
  message(FATAL_ERROR "The headers of Node's API are missing: run `npm ci` in ${project_folder} first.")
endif()

# On Windows an addon would name the program that it imports Node's API from, which need not be node.exe. Instead, each
# function is a jump through a pointer that is looked up in the running program when the addon loads.
if(WIN32)
  foreach(header js_native_api node_api)
    file(STRINGS "${NODE_API_HEADERS}/../def/${header}.def" names REGEX "^ *(napi|node_api)_")
    list(APPEND node_api_functions ${names})
  endforeach()
  list(TRANSFORM node_api_functions STRIP)
  list(REMOVE_DUPLICATES node_api_functions)
  set(pointers "")
  set(jumps "")
  set(lookups "")
  foreach(function ${node_api_functions})
    string(APPEND pointers "void* at_${function};\n")
    string(APPEND jumps "\".globl ${function}\\n${function}: jmpq *at_${function}(%rip)\\n\"\n")
    string(APPEND lookups "  at_${function} = reinterpret_cast<void*>(GetProcAddress(host, \"${function}\"));\n")
  endforeach()
  file(CONFIGURE OUTPUT node_api_windows.cpp @ONLY CONTENT "#include <windows.h>
extern \"C\" {
@pointers@
__asm__(\".text\\n\" @jumps@);
__attribute__((constructor)) static void findNodeApi() {
  HMODULE host = GetModuleHandleW(L\"libnode.dll\");
  if (!host) host = GetModuleHandleW(nullptr);
@lookups@}
}
")
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
    if(CMAKE_CROSSCOMPILING)
      # A release, which contains the C++ library.
      target_sources(${name} PRIVATE ${node_api_folder}/macos_new.cpp)
      set_source_files_properties(${node_api_folder}/macos_new.cpp PROPERTIES
        COMPILE_OPTIONS -fvisibility-global-new-delete=force-hidden)
    endif()
  elseif(WIN32)
    target_sources(${name} PRIVATE ${CMAKE_BINARY_DIR}/node_api_windows.cpp)
    target_compile_definitions(${name} PRIVATE NOMINMAX WIN32_LEAN_AND_MEAN)
  else()
    # Otherwise operator new and other weak symbols of a static C++ library would be exported too.
    target_link_options(${name} PRIVATE -Wl,--version-script=${node_api_folder}/node_api.map)
  endif()
endfunction()
