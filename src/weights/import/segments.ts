import { elementBytes, type ReadableType } from '../tensors/element-types.ts';
import { type ByteSource, streamElements, type Visit } from '../tensors/source-tensor.ts';

/** Elements that lie in several places of a file, one after the other. */
export async function streamSegments(
  source: ByteSource,
  segments: readonly { readonly start: number; readonly end: number }[],
  type: ReadableType,
  visit: Visit,
): Promise<void> {
  let before = 0;
  for (const { start, end } of segments) {
    const count = (end - start) / elementBytes(type)!;
    const offset = before;
    await streamElements(source, start, count, type, (values, at) => visit(values, offset + at));
    before += count;
  }
}
