/**
 * How ranks communicate: processes that were started together, on one machine or several. All ranks call the same
 * methods in the same order.
 */
import { alone, type Team } from '../core/process-team.ts';

export interface Communicator extends Team {
  /** Display name: the library and its version. */
  readonly description: string;
  /** Ranks on this machine. */
  readonly localSize: number;
  /** The lowest rank on this machine. */
  readonly firstHere: number;
  /** Display name of a rank: `rank 3 on node7 (process 4711)`. */
  nameOf(rank: number): string;
  /**
   * Replaces `data` with the sum over ranks: float32 sums in rank order, bit for bit the same on all. Do not touch the
   * array until the promise settles; several sums may overlap.
   * @param type number format of the transfer (default `float32`): bf16 halves the bytes, and rounds each term and
   *   the sum to 8 significant bits
   */
  allReduceSum(data: Float32Array, type?: ExchangeType): Promise<void>;
  /** Replaces `data` with rank 0's. */
  broadcast(data: Float32Array): Promise<void>;
  /** Settles when all ranks have called it. */
  barrier(): Promise<void>;
  /** Ends communication; every rank calls it last. */
  close(): Promise<void>;
  /** Ends all ranks immediately, because this one failed. */
  abort(exitCode: number): void;
}

export const exchangeTypes = ['float32', 'bf16'] as const;
export type ExchangeType = (typeof exchangeTypes)[number];

/** One process without other ranks; also a page in a browser, which has no `process`. */
export const single: Communicator = {
  ...alone,
  description: 'one process',
  localSize: 1,
  firstHere: 0,
  nameOf: () => `process ${globalThis.process?.pid}`,
  allReduceSum: async () => {},
  broadcast: async () => {},
  barrier: async () => {},
  close: async () => {},
  abort: (exitCode) => globalThis.process?.exit(exitCode),
};

/** Display name of a rank: `rank 3 on node7 (process 4711)`. */
export function nameOfRank(rank: number, host: string, pid: number): string {
  return `rank ${rank} on ${host} (process ${pid})`;
}
