import type { GpuParameters } from './parameters.ts';

/** Copies the values of all tensors on the GPU. @param to parameters of the same specs on the same device */
export function copyValues(from: GpuParameters, to: GpuParameters): void {
  from.checkAlive('copyValues');
  to.checkAlive('copyValues');
  const { device } = from.gpu;
  const encoder = device.createCommandEncoder();
  for (const { name } of from.specs) {
    from.panelsOf(name).forEach(({ buffers, size }, index) => {
      const target = to.panelsOf(name)[index]!.buffers.values!;
      encoder.copyBufferToBuffer(buffers.values!, 0, target, 0, 16 * size);
    });
  }
  device.queue.submit([encoder.finish()]);
  to.version++;
}
