import { centerCrop, writeCrop, writeWindow } from '../../src/data/pixels/crop.ts';
import { prepareForEvaluation } from '../../src/data/pixels/evaluation-images.ts';
import { wholeWindow } from '../../src/data/pixels/resample.ts';
import { fillParameters } from '../../src/kernels/canonical-parameters.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { cropShape } from '../../src/net/network.ts';
import { readModel } from '../../src/weights/model/read-model.ts';
import type { LoadProtocol } from './requests.ts';

/** Decoding, rescaling and a forward pass of one image (dense: and of its mirror image): the least a server must do. */
export class Baseline {
  readonly #predict: (jpeg: Buffer) => Promise<void>;
  readonly close: () => void;

  private constructor(predict: (jpeg: Buffer) => Promise<void>, close: () => void) {
    this.#predict = predict;
    this.close = close;
  }

  static async open(file: string, protocol: LoadProtocol): Promise<Baseline> {
    const dense = protocol === 'dense';
    const { network, meanRgb, program, close } = await compiled(file, dense ? 2 : 1);
    const { crop } = network;
    const size = 3 * crop ** 2;
    const input = new Float32Array(dense ? 2 * size : size);
    const predict = async (bytes: Buffer) => {
      const [image] = await prepareForEvaluation({ kind: 'encoded', bytes }, 'image', [crop]);
      if (dense) {
        writeWindow(image!, wholeWindow(image!), false, meanRgb, input, 0);
        writeWindow(image!, wholeWindow(image!), true, meanRgb, input, size);
      } else {
        writeCrop(image!, centerCrop(image!.width, image!.height, crop), meanRgb, input, 0);
      }
      await program.forward(input);
    };
    return new Baseline(predict, close);
  }

  predict(jpeg: Buffer): Promise<void> {
    return this.#predict(jpeg);
  }
}

const RUNS = 50;

/** CPU time of a forward pass in milliseconds per image; the minimum of several attempts. */
export async function forwardProcessorTime(file: string, batch: number): Promise<number> {
  const { network, program, close } = await compiled(file, batch);
  const input = new Float32Array(batch * 3 * network.crop ** 2).fill(1);
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 4; attempt++) {
    const start = process.cpuUsage();
    for (let i = 0; i < RUNS; i++) await program.forward(input);
    const { user, system } = process.cpuUsage(start);
    least = Math.min(least, (user + system) / 1000 / RUNS / batch);
  }
  close();
  return least;
}

async function compiled(file: string, batch: number) {
  const { network, tensors, meanRgb } = await readModel(file);
  const backend = createBackend();
  const parameters = backend.createParameters(network.parameters, { training: false });
  await fillParameters(parameters, tensors);
  const { layers } = network;
  const program = await backend.compile({ layers, inputShape: cropShape(network, batch), parameters });
  const close = () => {
    program.dispose();
    parameters.dispose();
  };
  return { network, meanRgb, program, close };
}
