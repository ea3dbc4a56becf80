#include "jpeg.hpp"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

namespace verydeep {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1, kExtensionMarker = JPEG_APP0 + 2;
/** The caller waits while the header is read; a file whose header is longer is not a plain JPEG. */
constexpr std::size_t kHeaderBytes = 1 << 18;
/** Enough for Exif's first directory, which comes first and has the orientation. */
constexpr unsigned kExifBytes = 2048;
constexpr char kExifSignature[] = {'E', 'x', 'i', 'f', 0, 0};
/** A progressive file of a few kilobytes can make the decoder go over the image thousands of times. */
constexpr int kMaxScans = 100;
constexpr JDIMENSION kRowsAtOnce = 16;

/**
 * libjpeg's decompressor, which leaves by longjmp at the first error or lost pixel. Nothing between setjmp and the
 * functions called after it may need a destructor.
 */
class Decoder {
 public:
  explicit Decoder(File file) : file_(file) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = leave;
    errors_.emit_message = leaveIfPixelsAreLost;
    errors_.output_message = [](j_common_ptr) {};
    info_.client_data = this;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;

  bool readHeader() {
    if (setjmp(escape_) != 0) return false;
    begin();
    jpeg_save_markers(&info_, kExifMarker, kExifBytes);
    jpeg_save_markers(&info_, kExtensionMarker, 1);
    return jpeg_read_header(&info_, TRUE) == JPEG_HEADER_OK;
  }

  bool decode(uint32_t width, uint32_t height, uint8_t* rgb) {
    if (setjmp(escape_) != 0) return false;
    begin();
    jpeg_read_header(&info_, TRUE);
    if (info_.image_width != width || info_.image_height != height) return false;
    info_.out_color_space = JCS_RGB;
    progress_.progress_monitor = leaveAfterManyScans;
    info_.progress = &progress_;
    jpeg_start_decompress(&info_);
    if (info_.progressive_mode && !isExact()) return false;
    while (info_.output_scanline < height) readRows(width, height, rgb);
    jpeg_finish_decompress(&info_);
    return true;
  }

  const jpeg_decompress_struct& info() const { return info_; }

 private:
  void begin() {
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, file_.bytes, static_cast<unsigned long>(file_.length));
  }

  /** Whether no pass of a progressive file is missing. libjpeg smooths such images, each version in its own way. */
  bool isExact() const {
    const int* bits = info_.coef_bits[0];
    const auto isKnown = [](int unknownBits) { return unknownBits == 0; };
    return std::all_of(bits, bits + DCTSIZE2 * info_.num_components, isKnown);
  }

  void readRows(uint32_t width, uint32_t height, uint8_t* rgb) {
    JSAMPROW rows[kRowsAtOnce];
    const JDIMENSION count = std::min<JDIMENSION>(kRowsAtOnce, height - info_.output_scanline);
    for (JDIMENSION i = 0; i < count; i++) {
      rows[i] = rgb + (static_cast<std::size_t>(info_.output_scanline) + i) * width * 3;
    }
    jpeg_read_scanlines(&info_, rows, count);
  }

  [[noreturn]] static void leave(j_common_ptr info) {
    std::longjmp(static_cast<Decoder*>(info->client_data)->escape_, 1);
  }

  static void leaveIfPixelsAreLost(j_common_ptr info, int level) {
    const bool isWarning = level < 0;
    if (isWarning && info->err->msg_code != JWRN_EXTRANEOUS_DATA) leave(info);
  }

  static void leaveAfterManyScans(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) leave(info);
  }

  const File file_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf escape_;
};

bool isExif(const jpeg_marker_struct& segment) {
  return segment.marker == kExifMarker && segment.data_length > sizeof kExifSignature &&
         std::memcmp(segment.data, kExifSignature, sizeof kExifSignature) == 0;
}

}  // namespace

std::optional<JpegHeader> readJpegHeader(File file) {
  Decoder decoder({file.bytes, std::min(file.length, kHeaderBytes)});
  if (!decoder.readHeader()) return std::nullopt;
  const jpeg_decompress_struct& info = decoder.info();
  const bool known = info.jpeg_color_space == JCS_GRAYSCALE || info.jpeg_color_space == JCS_YCbCr ||
                     info.jpeg_color_space == JCS_RGB;
  if (!known || info.data_precision != 8 || info.arith_code) return std::nullopt;
  JpegHeader header{info.image_width, info.image_height, info.progressive_mode != 0, false, {}};
  for (const jpeg_marker_struct* segment = info.marker_list; segment != nullptr; segment = segment->next) {
    header.extended |= segment->marker == kExtensionMarker;
    if (!isExif(*segment)) continue;
    if (!header.exif.empty()) return std::nullopt;
    header.exif.assign(segment->data, segment->data + segment->data_length);
  }
  return header;
}

bool decodeJpeg(File file, uint32_t width, uint32_t height, uint8_t* rgb) {
  return Decoder(file).decode(width, height, rgb);
}

}  // namespace verydeep
