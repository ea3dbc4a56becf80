/**
 * `vgg serve` under load:
 *
 *     node dist/bench/serve/load.js [--config A] [--width 0.25] [--crop 32] [--classes 10] [--side 32]
 *         [--protocol center|dense] [--clients 64] [--seconds 30] [--requests 20000]
 *
 * The server is a separate process with a model of random weights; the load generator (autocannon) shares the machine
 * with it. Requests are JPEGs of `--side` × 4/3 `--side` pixels, of which the center crop is classified, or with
 * `--protocol dense` (the default of requests) square ones, classified whole with their mirror images.
 *
 * - throughput: `--clients` clients, each of which sends its next request after each response, against `vgg bench` at
 *   the server's mean batch size, rounded to a power of two. A mirror image counts as an input. The ratio should be at
 *   least 0.95. Five rounds, which take `--seconds` together.
 * - latency: one client, alternating with decoding, rescaling and a forward pass in one process without a server. The
 *   99th percentile should be at most 1.3 times that.
 * - memory: the server's resident set over `--requests` requests. It should stay level.
 */
import { parseArgs } from 'node:util';
import { measureLatency } from './latency.ts';
import { MIN_REQUESTS, measureMemory } from './memory.ts';
import { makeRequests } from './requests.ts';
import { ServerUnderLoad } from './server-process.ts';
import { measureThroughput } from './throughput.ts';

const { values: flags } = parseArgs({
  options: {
    config: { type: 'string', default: 'A' },
    width: { type: 'string', default: '0.25' },
    crop: { type: 'string', default: '32' },
    classes: { type: 'string', default: '10' },
    side: { type: 'string' },
    protocol: { type: 'string', default: 'center' },
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '30' },
    requests: { type: 'string', default: '20000' },
  },
});
const { config, width, crop, classes } = flags;
const seconds = Number(flags.seconds);
if (Number(flags.requests) < MIN_REQUESTS) {
  process.stderr.write(`load: --requests is ${flags.requests}; it must be at least ${MIN_REQUESTS}\n`);
  process.exit(2);
}
if (flags.protocol !== 'center' && flags.protocol !== 'dense') {
  process.stderr.write(`load: --protocol is ${flags.protocol}; it must be center or dense\n`);
  process.exit(2);
}
const requests = await makeRequests(flags.protocol, Number(flags.side ?? crop));

const server = await ServerUnderLoad.start({ config, width, crop, classes });
try {
  const { server: measured, baseline } = await measureLatency(server, requests, seconds);
  report('latency', { server: measured, baseline });
  const throughput = await measureThroughput(server, requests, Number(flags.clients), seconds);
  report('throughput', throughput);
  const memory = await measureMemory(server, requests, Number(flags.requests));
  const results = {
    network: { config, width, crop, classes },
    protocol: requests.protocol,
    throughput,
    latency: {
      server: measured,
      baseline,
      medianRatio: measured.median / baseline.median,
      p99Ratio: measured.p99 / baseline.p99,
    },
    memory: memory.map((point) => `${point.requests}: ${point.residentMiB} MiB`),
  };
  process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
} finally {
  await server.stop();
}

/** Reports partial results on stderr: the last part takes long with a large network, and may be interrupted. */
function report(part: string, figures: unknown): void {
  process.stderr.write(`${part}: ${JSON.stringify(figures)}\n`);
}
