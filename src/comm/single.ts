import { alone } from '../core/team.ts';
import type { Communicator } from './communicator.ts';

/** One process that works alone, or a page, which is none. */
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
