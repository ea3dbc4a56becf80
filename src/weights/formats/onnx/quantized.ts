/** Quantized tensors: value = (q − zero point) · scale, with one scale and zero point, or one for each index of an axis. */
import { elementCount } from '../../../core/shape.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';

/** The float32 values of a quantized tensor. @param axis of the scales, if there are several; may be negative */
export function dequantize(
  name: string,
  quantized: SourceTensor,
  scale: SourceTensor,
  zero: SourceTensor | undefined,
  axis: number,
): SourceTensor {
  const { shape } = quantized;
  return {
    name,
    type: 'F32',
    shape,
    async read(visit) {
      const [scales, zeros] = [await valuesOf(scale), zero ? await valuesOf(zero) : []];
      const inner = elementCount(shape.slice((axis < 0 ? axis + shape.length : axis) + 1));
      await quantized.read((values, offset) => {
        const result = values.map((value, i) => {
          const at = scales.length > 1 ? Math.floor((offset + i) / inner) % scales.length : 0;
          return (value - (zeros[at] ?? 0)) * scales[at]!;
        });
        visit(result, offset);
      });
    },
  };
}

async function valuesOf(tensor: SourceTensor): Promise<number[]> {
  const values: number[] = [];
  await tensor.read((part) => {
    values.push(...part);
  });
  return values;
}
