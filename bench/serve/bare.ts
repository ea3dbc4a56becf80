import { centerCrop, writeCrop } from '../../src/data/crop.ts';
import { prepareForEvaluation } from '../../src/data/evaluation.ts';
import { fillParameters } from '../../src/kernels/fill-parameters.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { cropShape } from '../../src/net/network.ts';
import { readModel } from '../../src/weights/model-file.ts';
import { type Latency, timed } from './latency.ts';

/** Decoding, rescaling and a forward pass of one image, one after another: what no server can do without. */
export async function measureBare(file: string, jpegs: readonly Buffer[], seconds: number): Promise<Latency> {
  const { network, tensors, meanRgb } = await readModel(file);
  const backend = createBackend();
  const parameters = backend.createParameters(network.parameters, { training: false });
  await fillParameters(parameters, tensors);
  const { layers, crop } = network;
  const program = await backend.compile({ layers, inputShape: cropShape(network, 1), parameters });
  const input = new Float32Array(3 * crop ** 2);
  try {
    return await timed(seconds, async (i) => {
      const stored = { kind: 'encoded', bytes: jpegs[i % jpegs.length]! } as const;
      const [image] = await prepareForEvaluation(stored, 'image', [crop]);
      writeCrop(image!, centerCrop(image!.width, image!.height, crop), meanRgb, input, 0);
      await program.forward(input);
    });
  } finally {
    program.dispose();
    parameters.dispose();
  }
}
