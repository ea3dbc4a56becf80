/** The share of the gradient exchange that the backward pass hid, by layer. */
import type { ParameterSpec } from '../core/layer.ts';
import { elementCount } from '../core/shape.ts';
import type { BucketTime } from './gradient-exchange.ts';

export interface LayerOverlap {
  readonly layer: string;
  readonly bytes: number;
  /** When its first gradients were sent, in seconds after the end of the backward pass: usually negative. */
  readonly sentAt: number;
  /** When the last of its sums arrived, on the same clock. */
  readonly arrivedAt: number;
  /** Share of the time between the two that the backward pass hid, from 0 to 1. */
  readonly hidden: number;
}

/**
 * @param specs the parameters in the order of the block of gradients
 * @param buckets of one exchange; a bucket may hold parts of several layers, and a layer may span several buckets
 */
export function overlapByLayer(
  specs: readonly ParameterSpec[],
  buckets: readonly BucketTime[],
): LayerOverlap[] {
  let end = 0;
  const extents = new Map<string, { begin: number; end: number }>();
  for (const { name, shape } of specs) {
    const layer = name.slice(0, name.lastIndexOf('.'));
    const begin = extents.get(layer)?.begin ?? end;
    end += elementCount(shape);
    extents.set(layer, { begin, end });
  }
  return [...extents].map(([layer, { begin, end }]) => {
    const own = buckets.filter((bucket) => bucket.begin < end && bucket.end > begin);
    const sentAt = Math.min(...own.map((bucket) => bucket.sentAt));
    const arrivedAt = Math.max(...own.map((bucket) => bucket.arrivedAt));
    const bytes = (end - begin) * Float32Array.BYTES_PER_ELEMENT;
    return { layer, bytes, sentAt, arrivedAt, hidden: hiddenShare(sentAt, arrivedAt) };
  });
}

function hiddenShare(sentAt: number, arrivedAt: number): number {
  if (arrivedAt <= 0) return 1;
  return Math.max(0, -sentAt) / (arrivedAt - sentAt);
}
