/**
 * `vgg serve` under load:
 *
 *     node dist/bench/serve/load.js [--config A] [--width 0.25] [--crop 32] [--classes 10] [--side 32]
 *         [--protocol center|dense] [--clients 64] [--seconds 30] [--requests 20000]
 *
 * The server is a process of its own over a model of random weights; the load generator (autocannon) shares the
 * machine with it. Requests are JPEGs of `--side` × 4/3 `--side` pixels, looked at by their centre crop, or with
 * `--protocol dense` (what a request without parameters gets) square ones, looked at whole and mirrored.
 *
 * - throughput: `--clients` clients, each asking again as soon as it is answered, against `vgg bench` at the batch
 *   that the server formed (its mean, to the next power of two); a mirror image is another input. The ratio should be
 *   at least 0.95. Five rounds, of `--seconds` in all.
 * - latency: one client, against decoding, rescaling and a forward pass in one process without a server, in turn.
 *   The 99th percentile should be at most 1.3 times that.
 * - memory: the server's resident set along `--requests` requests. It should stay level.
 */
import { parseArgs } from 'node:util';
import { measureLatency } from './latency.ts';
import { LEAST_REQUESTS, measureMemory } from './memory.ts';
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
if (Number(flags.requests) < LEAST_REQUESTS) {
  process.stderr.write(`load: --requests is ${flags.requests}; it must be ${LEAST_REQUESTS} at least\n`);
  process.exit(2);
}
if (flags.protocol !== 'center' && flags.protocol !== 'dense') {
  process.stderr.write(`load: --protocol is ${flags.protocol}; it must be center or dense\n`);
  process.exit(2);
}
const requests = await makeRequests(flags.protocol, Number(flags.side ?? crop));

const server = await ServerUnderLoad.start({ config, width, crop, classes });
try {
  const { server: asked, bare } = await measureLatency(server, requests, seconds);
  tell('latency', { server: asked, bare });
  const throughput = await measureThroughput(server, requests, Number(flags.clients), seconds);
  tell('throughput', throughput);
  const memory = await measureMemory(server, requests, Number(flags.requests));
  const report = {
    network: { config, width, crop, classes },
    protocol: requests.protocol,
    throughput,
    latency: {
      server: asked,
      bare,
      medianRatio: asked.median / bare.median,
      p99Ratio: asked.p99 / bare.p99,
    },
    memory: memory.map((point) => `${point.requests}: ${point.residentMiB} MiB`),
  };
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
} finally {
  await server.stop();
}

/** What is known already goes to stderr: a large network's last part takes long, and may be cut short. */
function tell(part: string, figures: unknown): void {
  process.stderr.write(`${part}: ${JSON.stringify(figures)}\n`);
}
