/**
 * The simplest protocol: one centre crop an image, after rescaling to the test scale Q.
 */
import { type ClassificationCounts, countImage, noCounts } from '../core/classification.ts';
import type { CenterCropBatch } from '../data/evaluation.ts';
import type { Backend, Parameters, Program } from '../kernels/backend.ts';
import { cropShape, type Network } from '../net/network.ts';
import { softmax } from './softmax.ts';

export interface Classified {
  /** Number of the image in its source. */
  readonly image: number;
  readonly label: number;
  /** `[classes]` */
  readonly posteriors: Float32Array;
}

export interface Evaluation {
  readonly images: number;
  /** Mean soft-max cross-entropy, in nats. */
  readonly loss: number;
  readonly top1Error: number;
  readonly top5Error: number;
}

/** A network ready for batches of centre crops. */
export class CenterClassifier {
  readonly #program: Program;
  readonly #classes: number;

  private constructor(program: Program, classes: number) {
    this.#program = program;
    this.#classes = classes;
  }

  static async compile(
    backend: Backend,
    network: Network,
    parameters: Parameters,
    batch: number,
  ): Promise<CenterClassifier> {
    const inputShape = cropShape(network, batch);
    return new CenterClassifier(
      await backend.compile({ layers: network.layers, inputShape, parameters }),
      network.classes,
    );
  }

  /** Class posteriors of every image, in order. The next batch is prepared while one is computed. */
  async *classify(batches: AsyncIterable<CenterCropBatch>): AsyncGenerator<Classified> {
    for await (const { input, labels, images } of batches) {
      const logits = await this.#program.forward(input);
      for (const [i, image] of images.entries()) {
        const own = logits.subarray(i * this.#classes, (i + 1) * this.#classes);
        yield { image, label: labels[i]!, posteriors: softmax(own) };
      }
    }
  }

  /** Class posteriors of one crop `[3, crop, crop]`. */
  async classifyOne(input: Float32Array): Promise<Float32Array> {
    return softmax(await this.#program.forward(input));
  }

  dispose(): void {
    this.#program.dispose();
  }
}

/** Counts errors over classified images; those without a label are passed over. */
export async function evaluate(
  classified: AsyncIterable<Classified>,
  onImage?: (counts: Readonly<ClassificationCounts>) => void,
): Promise<Evaluation> {
  const counts = noCounts();
  for await (const { label, posteriors } of classified) {
    if (label < 0) continue;
    countImage(counts, posteriors, label, lossOf(posteriors[label]!));
    onImage?.(counts);
  }
  return {
    images: counts.images,
    loss: counts.lossSum / counts.images,
    top1Error: counts.top1Errors / counts.images,
    top5Error: counts.top5Errors / counts.images,
  };
}

/** A posterior that rounds to 0 in float32 counts as the smallest number there is, so that one image cannot make the mean infinite. */
function lossOf(posterior: number): number {
  return -Math.log(Math.max(posterior, 2 ** -149));
}
