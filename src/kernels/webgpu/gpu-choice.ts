/** Chooses GPUs among those of a machine, as `--gpus` names them. */
import { UserError } from '../../core/errors.ts';
import { shareOf } from '../../core/process-team.ts';

/** A GPU of this machine. */
export interface ListedGpu {
  /** From 0, in the order of the driver. */
  readonly number: number;
  /** As the driver names it. Identical GPUs have the same name. */
  readonly name: string;
}

/** A process among those on this machine that share its GPUs. */
export interface LocalRank {
  readonly rank: number;
  readonly size: number;
}

const SOFTWARE = /swiftshader|llvmpipe/i;

/**
 * The GPUs that `--gpus` asks for.
 * @param given `all`, a number of GPUs (`4`), numbers (`0,2` or `device=1`), or part of a name; for `all`, software
 *   devices count only where there is nothing else
 * @throws UserError, with the list of GPUs, when there is no such GPU, or one is named twice.
 */
export function chosenGpus(given: string, gpus: readonly ListedGpu[]): ListedGpu[] {
  const asked = given.trim();
  const hardware = gpus.filter(({ name }) => !SOFTWARE.test(name));
  const usual = hardware.length > 0 ? hardware : gpus;
  if (asked === 'all') return [...usual];
  if (/^\d+$/.test(asked)) {
    const count = Number(asked);
    if (count >= 1 && count <= usual.length) return usual.slice(0, count);
    throw noSuchGpu(
      asked,
      count === 0 ? '0 is how many, not which' : `this machine has ${usual.length}`,
      gpus,
    );
  }
  const numbers = /^(?:device=(\d+(?:, *\d+)*)|(\d+(?:, *\d+)+))$/.exec(asked);
  if (!numbers) {
    const named = gpus.filter(({ name }) => name.toLowerCase().includes(asked.toLowerCase()));
    if (named.length > 0) return named;
    throw noSuchGpu(asked, 'no GPU has such a name', gpus);
  }
  const wanted = (numbers[1] ?? numbers[2]!).split(',').map(Number);
  return wanted.map((number, at) => {
    if (wanted.indexOf(number) < at) throw noSuchGpu(asked, `GPU ${number} is named twice`, gpus);
    const found = gpus.find((gpu) => gpu.number === number);
    if (found) return found;
    throw noSuchGpu(asked, `there is no GPU ${number}`, gpus);
  });
}

/**
 * The GPUs of one process among several on a machine: its part of them or, if there are fewer GPUs than processes, one
 * that it shares.
 */
export function gpusOfRank(gpus: readonly ListedGpu[], { rank, size }: LocalRank): ListedGpu[] {
  if (gpus.length <= size) return [gpus[rank % gpus.length]!];
  const [from, to] = shareOf(gpus.length, { rank, size });
  return gpus.slice(from, to);
}

function noSuchGpu(asked: string, fault: string, gpus: readonly ListedGpu[]): UserError {
  const all = gpus.map(({ number, name }) => `${number}: ${name}`).join('; ');
  return new UserError(
    `--gpus ${asked}: ${fault}; choose all, how many, numbers (device=0 or 0,2) or part of a name: ${all}`,
  );
}
