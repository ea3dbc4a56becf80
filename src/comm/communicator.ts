import { alone, type Team } from '../core/team.ts';

/**
 * How ranks communicate: processes that were started together, on one machine or several, and do the same things in the
 * same order. All ranks call every method, in the same order.
 */
export interface Communicator extends Team {
  /** The library and its version, for people. */
  readonly description: string;
  /** Ranks on this machine. */
  readonly localSize: number;
  /** For people: `rank 3 on node7 (process 4711)`. */
  nameOf(rank: number): string;
  /**
   * Replaces `data` by the sum over all ranks, bit for bit the same on all: float32 sums in the order of the ranks. The
   * array must not be used until the promise settles; several calls may be in progress.
   * @param type how values are sent: bf16 takes half the bytes, and rounds each term and the sum to 8 bits
   */
  allReduceSum(data: Float32Array, type?: ExchangeType): Promise<void>;
  /** Replaces `data` by that of rank 0. */
  broadcast(data: Float32Array): Promise<void>;
  /** Settles when all ranks have called it. */
  barrier(): Promise<void>;
  /** Ends the communication when all ranks have called it. */
  close(): Promise<void>;
  /** Ends all ranks immediately, since this one cannot continue. */
  abort(exitCode: number): void;
}

export const exchangeTypes = ['float32', 'bf16'] as const;
export type ExchangeType = (typeof exchangeTypes)[number];

/** A process that works alone, or a page in a browser. */
export const single: Communicator = {
  ...alone,
  description: 'one process',
  localSize: 1,
  nameOf: () => `process ${globalThis.process?.pid}`,
  allReduceSum: async () => {},
  broadcast: async () => {},
  barrier: async () => {},
  close: async () => {},
  abort: (exitCode) => globalThis.process?.exit(exitCode),
};

/** For people: `rank 3 on node7 (process 4711)`. */
export function nameOfRank(rank: number, host: string, pid: number): string {
  return `rank ${rank} on ${host} (process ${pid})`;
}
