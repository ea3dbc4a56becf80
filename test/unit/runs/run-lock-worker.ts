/** Takes the lock of a run at a given moment, and keeps it until the next one: `{ path, at }`, both by message. */
import { runFolder } from '../../../src/runs/run-folder.ts';
import { lockRun } from '../../../src/runs/run-lock.ts';

let unlock = async (): Promise<void> => {};

process.on('message', async ({ path, at }: { path: string; at: number }) => {
  await unlock();
  while (Date.now() < at);
  try {
    unlock = await lockRun(runFolder(path));
    process.send!('taken');
  } catch (error) {
    unlock = async () => {};
    process.send!((error as Error).message);
  }
});
