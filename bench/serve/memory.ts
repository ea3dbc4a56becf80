import type { Requests } from './requests.ts';
import type { ServerUnderLoad } from './server-process.ts';
import { load } from './throughput.ts';

const STEPS = 10;
const CLIENTS = 16;
/** Each client asks once a step. */
export const LEAST_REQUESTS = STEPS * CLIENTS;
const MEBIBYTE = 2 ** 20;

export interface MemoryPoint {
  readonly requests: number;
  readonly residentMiB: number;
}

/** The server's resident set after each tenth of the requests, from CLIENTS clients. @param count LEAST_REQUESTS or more */
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
