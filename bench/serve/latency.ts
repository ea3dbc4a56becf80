import { Agent, request } from 'node:http';
import { Bare } from './bare.ts';
import type { Requests } from './requests.ts';
import type { ServerUnderLoad } from './server-process.ts';

export interface Latency {
  readonly requests: number;
  /** Milliseconds. */
  readonly mean: number;
  readonly median: number;
  readonly p99: number;
}

/** Before anything is timed: in a process's first thousands of requests V8 compiles, on other threads. */
const WARM_UP = { calls: 200, seconds: 10 };

/** Turns, so that whatever else the machine does befalls both. */
const TURNS = 20;

/** One client on one connection, asking again as soon as it is answered; and the same without a server, in turn. */
export async function measureLatency(
  { url, model }: ServerUnderLoad,
  { protocol, path, jpegs }: Requests,
  seconds: number,
): Promise<{ server: Latency; bare: Latency }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const bare = await Bare.open(model, protocol);
  const ask = (i: number) => post(url + path, agent, jpegs[i % jpegs.length]!);
  const look = (i: number) => bare.look(jpegs[i % jpegs.length]!);
  const times = { server: [] as number[], bare: [] as number[] };
  try {
    const warm = performance.now() + 1000 * WARM_UP.seconds;
    for (let i = 0; i < WARM_UP.calls || performance.now() < warm; i++) await Promise.all([ask(i), look(i)]);
    for (let turn = 0; turn < TURNS; turn++) {
      times.server.push(...(await timed(seconds / TURNS, ask)));
      times.bare.push(...(await timed(seconds / TURNS, look)));
    }
  } finally {
    agent.destroy();
    bare.close();
  }
  return { server: summary(times.server), bare: summary(times.bare) };
}

/** Times one call after another. */
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
    const asked = request(url, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'image/jpeg', 'content-length': body.length },
    });
    asked.on('response', (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`));
      answer.on('end', resolve).on('error', reject).resume();
    });
    asked.on('error', reject).end(body);
  });
}
