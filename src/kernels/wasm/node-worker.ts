/** A worker of Node's that computes. */
import { parentPort, Worker } from 'node:worker_threads';
import { serve } from './engine.ts';
import type { StartMessage } from './protocol.ts';

const take = serve({
  post: (reply, transfer = []) => parentPort!.postMessage(reply, transfer),
  spawn: (start: StartMessage) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url));
      worker.once('message', () => resolve());
      worker.once('error', reject);
      worker.postMessage(start);
    }),
});
parentPort!.on('message', (message) => void take(message));
