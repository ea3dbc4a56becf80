/** That all ranks have the same weights, as they must when each has done the same steps. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Communicator } from '../comm/communicator.ts';
import { UserError } from '../core/errors.ts';
import type { Parameters } from '../kernels/backend.ts';

/**
 * Compares weights and velocities over ranks.
 * @throws UserError naming the ranks that differ from rank 0.
 */
export async function checkSameWeights(
  communicator: Communicator,
  parameters: Parameters,
  iteration: number,
): Promise<void> {
  if (communicator.size === 1) return;
  const sums = await communicator.gather(await checksumOf(parameters));
  const strangers = sums.flatMap((sum, rank) => (sum === sums[0] ? [] : [communicator.nameOf(rank)]));
  if (strangers.length === 0) return;
  throw new UserError(
    `after iteration ${iteration} the weights of ${strangers.join(', ')} are not those of rank 0: ` +
      'memory or network of one of these machines is faulty; go on from the last checkpoint with --resume, without it',
  );
}

async function checksumOf(parameters: Parameters): Promise<number> {
  let sum = 0;
  for (const field of ['values', 'velocities'] as const) {
    for (const { name } of parameters.specs) {
      const { buffer, byteOffset, byteLength } = await parameters.read(field, name);
      for (let at = 0; at < byteLength; at += CHUNK) {
        const length = Math.min(CHUNK, byteLength - at);
        sum = crc32(new Uint8Array(buffer, byteOffset + at, length), sum);
        await nextTurn();
      }
    }
  }
  return sum;
}

/** Bytes summed in one turn of the event loop: some milliseconds. */
const CHUNK = 16 * 2 ** 20;
