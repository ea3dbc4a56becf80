// JPEGs as most are, by libjpeg-turbo: 8 bits, Huffman's code, greyscale or three channels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace verydeep {

/** A file in memory. */
struct File {
  const uint8_t* bytes;
  std::size_t length;
};

struct JpegHeader {
  uint32_t width, height;
  bool progressive;
  /** The beginning of the APP1 segment with Exif's signature; empty where there is none. */
  std::vector<uint8_t> exif;
};

/**
 * @return nothing for files that need more than decoding or that this library should not be asked about: damaged or
 *   CMYK ones, other depths and codes, those with a segment APP2 (a colour profile, a gain map, further images) or with
 *   several of Exif's, and those whose pixels begin late
 */
std::optional<JpegHeader> readJpegHeader(File file);

/**
 * @param width, height what the header says
 * @param rgb receives [height, width, 3]
 * @return whether the whole image was there, undamaged and, if progressive, with all its passes; stray bytes between
 *   segments are no damage
 */
bool decodeJpeg(File file, uint32_t width, uint32_t height, uint8_t* rgb);

}  // namespace verydeep
