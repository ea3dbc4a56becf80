/**
 * Dense evaluation (paper, 3.2): the network runs over the whole rescaled image. Its fully connected layers are
 * convolutions, so it gives a map of class scores, one vector a position, each over a window of the training
 * crop's size; the map is averaged over positions before the soft-max.
 */

/**
 * The class scores averaged over positions, in double precision.
 * @param map `[classes, height, width]`
 * @returns `[classes]`
 */
export function averageOverPositions(map: Float32Array, classes: number): Float64Array {
  const positions = map.length / classes;
  const mean = new Float64Array(classes);
  for (let c = 0, at = 0; c < classes; c++) {
    let sum = 0;
    for (const end = at + positions; at < end; at++) sum += map[at]!;
    mean[c] = sum / positions;
  }
  return mean;
}
