import { Agent, request } from 'node:http';

export interface Latency {
  readonly requests: number;
  /** Milliseconds. */
  readonly mean: number;
  readonly median: number;
  readonly p99: number;
}

/** One client on one connection, asking again as soon as it is answered. */
export async function measureLatency(
  url: string,
  jpegs: readonly Buffer[],
  seconds: number,
): Promise<Latency> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    return await timed(seconds, (i) => post(url, agent, jpegs[i % jpegs.length]!));
  } finally {
    agent.destroy();
  }
}

/** Times one call after another, once a hundred have warmed it up. */
export async function timed(seconds: number, call: (i: number) => Promise<unknown>): Promise<Latency> {
  for (let i = 0; i < 100; i++) await call(i);
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  for (let i = 0; performance.now() < end; i++) {
    const start = performance.now();
    await call(i);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))]!;
  const mean = times.reduce((a, b) => a + b, 0) / times.length;
  return { requests: times.length, mean, median: at(0.5), p99: at(0.99) };
}

function post(url: string, agent: Agent, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/predict?protocol=center`, {
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
