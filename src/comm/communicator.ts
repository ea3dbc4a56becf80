/**
 * How ranks talk: processes that were started together, on one machine or many, and do the same things in the
 * same order. Every method is called by all ranks, and each in the same place of the order.
 */
import type { Team } from '../core/team.ts';

export interface Communicator extends Team {
  /** For people: the library and its version. */
  readonly description: string;
  /** Ranks on this machine. */
  readonly localSize: number;
  /** For people: `rank 3 on node7 (process 4711)`. */
  nameOf(rank: number): string;
  /**
   * Makes `data` the sum over ranks, bit for bit the same on all: float32 sums in the order of the ranks. The
   * array must be left alone until the promise settles; several may be under way.
   * @param type how values travel: bf16 takes half the bytes, and rounds each term and the sum to 8 bits
   */
  allReduceSum(data: Float32Array, type?: ExchangeType): Promise<void>;
  /** Makes `data` what it is on rank 0. */
  broadcast(data: Float32Array): Promise<void>;
  /** Settles when all ranks have come so far. */
  barrier(): Promise<void>;
  /** In good order, when all ranks do. */
  close(): Promise<void>;
  /** Ends all ranks at once, since this one cannot go on. */
  abort(exitCode: number): void;
}

export const exchangeTypes = ['float32', 'bf16'] as const;
export type ExchangeType = (typeof exchangeTypes)[number];
