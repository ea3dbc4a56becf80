import type { Requests } from './requests.ts';
import type { ServerUnderLoad } from './server-process.ts';
import { load } from './throughput.ts';

const STEPS = 10;
const CLIENTS = 16;
/** One request of each client in each step. */
export const MIN_REQUESTS = STEPS * CLIENTS;
const MEBIBYTE = 2 ** 20;

export interface MemoryPoint {
  readonly requests: number;
  readonly residentMiB: number;
}

/** The server's resident set after each tenth of the requests, sent by CLIENTS clients. @param count at least MIN_REQUESTS */
export async function measureMemory(
  server: ServerUnderLoad,
  requests: Requests,
  count: number,
): Promise<MemoryPoint[]> {
  const points: MemoryPoint[] = [];
  for (let step = 1; step <= STEPS; step++) {
    await load(server, requests, { connections: CLIENTS, amount: count / STEPS });
    const resident = await server.metric('process_resident_memory_bytes');
    points.push({ requests: (step * count) / STEPS, residentMiB: Math.round(resident / MEBIBYTE) });
  }
  return points;
}
