// Decodes plain JPEGs with libjpeg-turbo: 8 bits, Huffman coding, grayscale or three channels.
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
  /** Whether there is an APP2 segment: a color profile, a gain map, further images. */
  bool extended;
  /** The start of the APP1 segment with Exif's signature; empty if there is none. */
  std::vector<uint8_t> exif;
};

/**
 * @return nothing if the file is damaged or not plain: CMYK, another depth or coding, several Exif segments, or a very
 *   long header
 */
std::optional<JpegHeader> readJpegHeader(File file);

/**
 * @param width, height from the header
 * @param rgb receives [height, width, 3]
 * @return whether the image is complete, undamaged and, if progressive, has all its scans; stray bytes between segments
 *   do not count as damage
 */
bool decodeJpeg(File file, uint32_t width, uint32_t height, uint8_t* rgb);

}  // namespace verydeep
