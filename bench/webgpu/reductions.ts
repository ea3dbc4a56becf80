/**
 * Compares reductions by subgroups with reductions through the workgroup's memory on one device: the gradients of a
 * loss over 1,000 classes and of a bias over a map. `node dist/bench/webgpu/reductions.js [seconds]`
 */
import { callFields, type Dispatch, numbers } from '../../src/kernels/webgpu/dispatch.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import { lossGradient } from '../../src/kernels/webgpu/shaders/softmax-cross-entropy.ts';
import { biasGradient } from '../../src/kernels/webgpu/shaders/weight-gradient.ts';
import { seconds } from './clock.ts';

const IMAGES = 64;
const [CLASSES, PIXELS, VECTORS, CHUNK] = [1000, 14 * 14, 128, 4096];
const lasting = Number(process.argv[2] ?? 1);

const { device } = await openNodeGpu();
const gpu = await openNodeGpu({ subgroups: device.features.has('subgroups') });
console.log(`${gpu.description}${gpu.subgroups ? '' : ', which has no subgroups'}`);
const call = gpu.uniform(callFields({ images: IMAGES, gradientScale: 1 }));
const chunks = Math.ceil((IMAGES * PIXELS) / CHUNK);
const buffer = (values: number) => gpu.storage('a tensor', values);
const scores = [buffer(IMAGES * CLASSES), buffer(IMAGES), buffer(IMAGES * CLASSES)];
const map = [buffer(IMAGES * PIXELS * 4 * VECTORS), buffer(4 * chunks * VECTORS)];

const kernels: Record<string, (subgroups: boolean) => Dispatch> = {
  [`loss, ${IMAGES} images of ${CLASSES} classes`]: (subgroups) => ({
    code: lossGradient(subgroups),
    bindings: [call, gpu.uniform(numbers(CLASSES, CLASSES)), ...scores],
    groups: () => [IMAGES],
  }),
  [`bias, ${IMAGES} maps of ${PIXELS} pixels and ${4 * VECTORS} channels`]: (subgroups) => ({
    code: biasGradient(subgroups),
    bindings: [call, gpu.uniform(numbers(PIXELS, VECTORS, chunks)), ...map],
    groups: () => [VECTORS, chunks],
  }),
};
for (const [what, dispatch] of Object.entries(kernels)) {
  const without = await seconds(gpu, [dispatch(false)], lasting);
  console.log(`${what}: ${(1000 * without).toFixed(3)} ms through memory`);
  if (!gpu.subgroups) continue;
  const by = await seconds(gpu, [dispatch(true)], lasting);
  console.log(`  ${(1000 * by).toFixed(3)} ms by subgroups, ${(without / by).toFixed(2)} times as fast`);
}
gpu.device.destroy();
