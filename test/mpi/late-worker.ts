/**
 * A rank of test/mpi/failures.test.ts: joins the operation of the other ranks only when a file exists.
 *   late-worker.js RANK FILE
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openMpi } from '../../src/comm/mpi.ts';

const [rank, file] = process.argv.slice(2);
const onLate = (message: string) => process.stderr.write(`${message}\n`);
const communicator = await openMpi({ timeout: 2, onLate });
await communicator.barrier();
if (communicator.rank === Number(rank)) {
  while (!existsSync(file!)) await sleep(50);
}
await communicator.allReduceSum(new Float32Array(1000));
await communicator.barrier();
await communicator.close();
