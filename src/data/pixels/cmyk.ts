/**
 * Colors in CMYK, as some JPEGs for printing have them. Without a color profile no one knows what inks they mean; this
 * is Pillow's conversion (libImaging/Convert.c), so that images have the pixels of Python pipelines.
 */

/** @param inks `[height, width, 4]`, 0 without ink @returns `[height, width, 3]` */
export function cmykToRgb(inks: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((inks.length / 4) * 3);
  for (let i = 0, j = 0; i < inks.length; i += 4, j += 3) {
    const white = 255 - inks[i + 3]!;
    for (let c = 0; c < 3; c++) rgb[j + c] = Math.max(0, white - timesOver255(inks[i + c]!, white));
  }
  return rgb;
}

/** a · b / 255, rounded */
function timesOver255(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}
