/** A rank of test/mpi/communicator.test.ts: makes every call. Rank 0 prints the results of all ranks. */
import { createHash } from 'node:crypto';
import { openMpi } from '../../src/comm/mpi.ts';

const communicator = await openMpi();
const { rank, size } = communicator;

/** An index and the value there. */
export type Placed = readonly [number, number];

export interface Report {
  readonly rank: number;
  readonly size: number;
  readonly sum: readonly number[];
  readonly brief: readonly number[];
  /** Some values of messages sent in pieces, with their indexes, and a checksum of all values. */
  readonly long: readonly Placed[];
  readonly longBrief: readonly Placed[];
  readonly checksums: readonly string[];
  readonly several: readonly number[];
  readonly broadcast: readonly number[];
  readonly gathered: readonly { readonly rank: number; readonly text: string }[];
  readonly name: string;
}

/** Of the reported values; prime, so that they are at all offsets within a piece. */
const STRIDE = 1009;
const LONG = 150_001;

/** Values whose float32 sums are not exact. */
const values = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (1 + rank) ** 3 / (3 + i));

const everySoMany = (data: Float32Array): Placed[] => [...data.entries()].filter(([i]) => i % STRIDE === 0);

const sum = values(1001);
const brief = values(1001);
// Fewer values than ranks: some ranks have nothing to sum.
const several = Array.from({ length: 9 }, (_, i) => values(i));
const long = values(LONG);
const longBrief = values(LONG);
await communicator.allReduceSum(sum);
await communicator.allReduceSum(brief, 'bf16');
await Promise.all([
  ...several.map((data) => communicator.allReduceSum(data)),
  communicator.allReduceSum(long),
  communicator.allReduceSum(longBrief, 'bf16'),
]);
const broadcast = Float32Array.of(rank + 0.5, rank);
await communicator.broadcast(broadcast);
const gathered = await communicator.gather({ rank, text: 'ö'.repeat(rank) });
await communicator.barrier();
const report: Report = {
  rank,
  size,
  sum: [...sum],
  brief: [...brief],
  long: everySoMany(long),
  longBrief: everySoMany(longBrief),
  checksums: [long, longBrief].map((data) => createHash('sha256').update(data).digest('hex')),
  several: several.flatMap((data) => [...data]),
  broadcast: [...broadcast],
  gathered,
  name: communicator.nameOf(rank),
};
// Only one rank prints, because the launcher mixes the output of several.
const reports = await communicator.gather(report);
if (rank === 0) process.stdout.write(JSON.stringify(reports));
await communicator.close();
