import { Agent, request } from 'node:http';
import { Baseline } from './baseline.ts';
import type { Requests } from './requests.ts';
import type { ServerUnderLoad } from './server-process.ts';

export interface Latency {
  readonly requests: number;
  /** In milliseconds, like the others. */
  readonly mean: number;
  readonly median: number;
  readonly p99: number;
}

/** V8 compiles on other threads during a process's first thousands of requests, so these are not timed. */
const WARM_UP = { calls: 200, seconds: 10 };

/** Server and baseline alternate, so that other load on the machine affects both. */
const TURNS = 20;

/** Latency of one client on one connection, which sends its next request after each response, and of the baseline. */
export async function measureLatency(
  { url, model }: ServerUnderLoad,
  { protocol, path, jpegs }: Requests,
  seconds: number,
): Promise<{ server: Latency; baseline: Latency }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const baseline = await Baseline.open(model, protocol);
  const send = (i: number) => post(url + path, agent, jpegs[i % jpegs.length]!);
  const predict = (i: number) => baseline.predict(jpegs[i % jpegs.length]!);
  const times = { server: [] as number[], baseline: [] as number[] };
  try {
    const warm = performance.now() + 1000 * WARM_UP.seconds;
    for (let i = 0; i < WARM_UP.calls || performance.now() < warm; i++)
      await Promise.all([send(i), predict(i)]);
    for (let turn = 0; turn < TURNS; turn++) {
      times.server.push(...(await timed(seconds / TURNS, send)));
      times.baseline.push(...(await timed(seconds / TURNS, predict)));
    }
  } finally {
    agent.destroy();
    baseline.close();
  }
  return { server: summary(times.server), baseline: summary(times.baseline) };
}

/** Times consecutive calls, in milliseconds. */
async function timed(seconds: number, call: (i: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  for (let i = 0; performance.now() < end; i++) {
    const start = performance.now();
    await call(i);
    times.push(performance.now() - start);
  }
  return times;
}

function summary(times: readonly number[]): Latency {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const mean = sorted.reduce((a, b) => a + b, 0) / sorted.length;
  return { requests: sorted.length, mean, median: at(0.5), p99: at(0.99) };
}

function post(url: string, agent: Agent, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'image/jpeg', 'content-length': body.length },
    });
    sent.on('response', (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      response.on('end', resolve).on('error', reject).resume();
    });
    sent.on('error', reject).end(body);
  });
}
