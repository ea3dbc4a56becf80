/** A worker of a browser's that computes. */
import { serve } from './engine.ts';
import type { Request, StartMessage } from './protocol.ts';

interface NestedWorker {
  onmessage: (() => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  postMessage(message: StartMessage): void;
}
declare const Worker: new (address: string, options: { type: 'module' }) => NestedWorker;

const scope = globalThis as unknown as {
  readonly location: { readonly href: string };
  onmessage: (event: { readonly data: StartMessage | Request }) => void;
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
};

const take = serve({
  post: (reply, transfer = []) => scope.postMessage(reply, transfer),
  spawn: (start) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(scope.location.href, { type: 'module' });
      worker.onmessage = () => resolve();
      worker.onerror = ({ message }) => reject(new Error(message ?? 'a thread cannot be started'));
      worker.postMessage(start);
    }),
});
scope.onmessage = ({ data }) => void take(data);
