/** Times of kernels by the GPU's own clock: each stage runs in a pass of its own, between two time stamps. */
import type { Pass, StageTime } from '../instruments.ts';
import { GPU_USAGE, type Gpu } from './device.ts';
import { type Dispatch, encode, type Prepared } from './dispatch.ts';
import { readBack } from './read-back.ts';

/** WebGPU's largest set holds two for each of so many stages. */
const MOST_STAGES = 2048;

/** Says whose work dispatches are. @param layer place in the chain */
export function workOf(layer: number, pass: Pass, dispatches: readonly Dispatch[]): Dispatch[] {
  return dispatches.map((dispatch) => ({ ...dispatch, work: { layer, pass } }));
}

export function hasKernelClock({ device }: Gpu): boolean {
  return device.features.has('timestamp-query');
}

/** Dispatches that follow each other and are the same stage's, or nobody's. */
interface Piece {
  readonly prepared: Prepared[];
  readonly work: Prepared['work'];
}

/** For one call. */
export class KernelClock {
  readonly #gpu: Gpu;
  #stages: readonly Piece[] = [];
  #queries: GPUQuerySet | undefined;
  #stamps: GPUBuffer | undefined;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  encode(encoder: GPUCommandEncoder, prepared: readonly Prepared[], images: number): void {
    const pieces = piecesOf(prepared);
    this.#stages = pieces.filter(({ work }) => work !== undefined);
    const count = this.#stages.length;
    if (count > MOST_STAGES) throw new RangeError(`${count} stages are more than can be timed at once`);
    this.#free();
    const querySet = this.#gpu.device.createQuerySet({ type: 'timestamp', count: Math.max(2 * count, 2) });
    this.#queries = querySet;
    let stage = 0;
    for (const piece of pieces) {
      const at = 2 * stage;
      const timestampWrites = { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
      const pass = encoder.beginComputePass(piece.work ? { timestampWrites } : {});
      encode(pass, piece.prepared, images);
      pass.end();
      if (piece.work) stage++;
    }
    this.#stamps = this.#gpu.device.createBuffer({
      size: Math.max(16 * count, 16),
      usage: GPU_USAGE.QUERY_RESOLVE | GPU_USAGE.COPY_SRC,
    });
    encoder.resolveQuerySet(querySet, 0, 2 * count, this.#stamps, 0);
  }

  /** @throws UserError when the device is lost meanwhile */
  async read(): Promise<StageTime[]> {
    if (!this.#stamps) return [];
    const stamps = new BigUint64Array(await readBack(this.#gpu, this.#stamps, 16 * this.#stages.length));
    this.#free();
    return this.#stages.map(({ prepared, work }, stage) => ({
      ...work!,
      algorithm: prepared.find(({ algorithm }) => algorithm !== undefined)?.algorithm ?? 'shader',
      // A device may set its clock back; the specification leaves it to us to take no notice.
      seconds: Math.max(0, Number(stamps[2 * stage + 1]! - stamps[2 * stage]!)) / 1e9,
    }));
  }

  #free(): void {
    this.#queries?.destroy();
    this.#stamps?.destroy();
    this.#queries = undefined;
    this.#stamps = undefined;
  }
}

function piecesOf(prepared: readonly Prepared[]): Piece[] {
  const pieces: Piece[] = [];
  for (const one of prepared) {
    const { work } = one;
    const last = pieces.at(-1);
    if (last && last.work?.layer === work?.layer && last.work?.pass === work?.pass) last.prepared.push(one);
    else pieces.push({ prepared: [one], work });
  }
  return pieces;
}
