/**
 * The outputs of a network's frozen layers, as the input of its trained part. Where an image looks alike in every epoch,
 * apart from its mirror image, they are computed once and kept in memory.
 */
import { BOX_VALUES } from '../core/boxes.ts';
import { elementCount } from '../core/shape.ts';
import type { ImageBatch } from '../data/training/loader.ts';
import type { PlannedBatch } from '../data/training/sampler.ts';
import type { Program } from '../kernels/backend.ts';
import type { TrainingData } from './trainer-hooks.ts';

interface Output {
  readonly values: Float32Array;
  readonly label: number;
  /** The box of the image's object, in localization. */
  readonly target?: Float32Array;
  /** The image itself or, if it is lost, the one in its place. */
  readonly image: number;
}

export class FrozenOutputs implements TrainingData {
  readonly count: number;
  readonly #data: TrainingData;
  readonly #program: Program;
  /** Values of one image. */
  readonly #size: number;
  readonly #room: number;
  readonly #kept = new Map<number, Output>();

  /**
   * @param program of the frozen layers, for batches at least as large as those that are planned
   * @param memory for outputs that are kept, in bytes
   */
  constructor(data: TrainingData, program: Program, memory: number) {
    this.count = data.count;
    this.#data = data;
    this.#program = program;
    this.#size = elementCount(program.outputShape.slice(1));
    this.#room = Math.floor(memory / (4 * this.#size));
  }

  /** Yields the planned batches with the frozen layers' outputs as `input`. */
  async *loadBatches(plan: Iterable<PlannedBatch>): AsyncGenerator<ImageBatch, void, undefined> {
    const planned: { readonly batch: PlannedBatch; readonly missing: readonly number[] }[] = [];
    const kept = (batch: PlannedBatch, i: number) => this.#kept.has(this.#keyOf(batch, i) ?? -1);
    function* missingImages() {
      for (const batch of plan) {
        const missing = [...batch.images.keys()].filter((i) => !kept(batch, i));
        planned.push({ batch, missing });
        yield {
          images: Uint32Array.from(missing, (i) => batch.images[i]!),
          epochs: Uint32Array.from(missing, (i) => batch.epochs[i]!),
        };
      }
    }
    for await (const loaded of this.#data.loadBatches(missingImages())) {
      const { batch, missing } = planned.shift()!;
      yield this.#complete(batch, missing, loaded, await this.#compute(loaded));
    }
  }

  async #compute({ input, labels }: ImageBatch): Promise<Float32Array> {
    return labels.length === 0 ? new Float32Array(0) : this.#program.forward(input);
  }

  #complete(
    batch: PlannedBatch,
    missing: readonly number[],
    loaded: ImageBatch,
    outputs: Float32Array,
  ): ImageBatch {
    const size = this.#size;
    const found = new Map(
      missing.map((i, place): [number, Output] => [
        i,
        {
          values: outputs.subarray(place * size, (place + 1) * size),
          label: loaded.labels[place]!,
          target: loaded.targets?.slice(BOX_VALUES * place, BOX_VALUES * (place + 1)),
          image: loaded.images[place]!,
        },
      ]),
    );
    const all = Array.from(
      batch.images.keys(),
      (i) => found.get(i) ?? this.#kept.get(this.#keyOf(batch, i)!)!,
    );
    const input = new Float32Array(all.length * size);
    for (const [i, { values }] of all.entries()) input.set(values, i * size);
    const hasTargets = all[0]?.target !== undefined;
    const targets = hasTargets ? new Float32Array(all.length * BOX_VALUES) : undefined;
    for (const [i, { target }] of all.entries()) targets?.set(target!, i * BOX_VALUES);
    for (const [i, output] of found) this.#keep(this.#keyOf(batch, i), output);
    return {
      input,
      labels: Int32Array.from(all, ({ label }) => label),
      targets,
      images: Uint32Array.from(all, ({ image }) => image),
      epochs: batch.epochs,
      lost: loaded.lost,
    };
  }

  #keep(key: number | undefined, output: Output): void {
    if (key === undefined || this.#kept.size >= this.#room) return;
    this.#kept.set(key, { ...output, values: output.values.slice() });
  }

  #keyOf({ images, epochs }: PlannedBatch, i: number): number | undefined {
    const view = this.#data.fixedView?.(epochs[i]!, images[i]!);
    return view === undefined ? undefined : 2 * images[i]! + view;
  }
}
