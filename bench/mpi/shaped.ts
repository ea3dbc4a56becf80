/**
 * Compares the model behind `vgg plan --machines` with steps of training on hosts whose network has a set bandwidth and
 * latency (root, on Linux):
 *
 *   node dist/bench/mpi/shaped.js --hosts 2,3 --bandwidth 0.2,0.4 --delay 0,5
 *
 * All hosts share the CPUs of one machine, so the model gets the computing time measured while all hosts compute at once.
 * It is timed in alternation with the steps, as is the exchange alone; everything else is predicted. Each round goes
 * through all settings, and the table shows medians.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { projectFolder } from '../../src/core/project.ts';
import type { ConfigurationName } from '../../src/net/configurations.ts';
import { buildNetwork, parameterCount } from '../../src/net/network.ts';
import { estimateScaling } from '../../src/plan/scaling.ts';
import { formatTable } from '../../src/report/table.ts';
import { outcomeOf } from '../../test/e2e/cli-process.ts';
import { Hosts, withoutHosts } from '../../test/mpi/hosts.ts';
import type { Parts, StepsReport } from './steps.ts';

const { values: options } = parseArgs({
  options: {
    hosts: { type: 'string', default: '2' },
    /** Gbit/s. */
    bandwidth: { type: 'string', default: '0.2,0.4' },
    /** One-way latency of the network, milliseconds; above 0, packets go through wire.py. */
    delay: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '2' },
    config: { type: 'string', default: 'D' },
    width: { type: 'string', default: '0.5' },
    crop: { type: 'string', default: '64' },
    classes: { type: 'string', default: '1000' },
    /** Images per host. */
    share: { type: 'string', default: '8' },
    steps: { type: 'string', default: '3' },
  },
});
const numbers = (list: string): number[] => list.split(',').map(Number);
const share = Number(options.share);
const wire = join(projectFolder, 'bench/mpi/wire.py');
const script = fileURLToPath(new URL('./steps.js', import.meta.url));
const network = buildNetwork({
  configuration: options.config as ConfigurationName,
  classes: Number(options.classes),
  crop: Number(options.crop),
  width: Number(options.width),
});

interface Setting {
  readonly count: number;
  readonly delay: number;
  readonly bandwidth: number;
}

interface Point extends Parts {
  readonly step: number;
  /** The part of the bandwidth, as tc counts it, that carries data. */
  readonly payload: number;
}

async function measure(hosts: Hosts, bandwidth: number): Promise<Point> {
  hosts.shape({ bandwidth });
  const shared = (['config', 'width', 'crop', 'classes', 'steps'] as const).flatMap((name) => [
    `--${name}`,
    options[name],
  ]);
  const sizes = ['--batch', String(share * hosts.count), '--micro-batch', String(share)];
  const { code, stdout, stderr } = await outcomeOf(
    hosts.start(hosts.count, script, [...shared, ...sizes, '--parts']),
  );
  if (code !== 0) throw new Error(stderr);
  const { secondsPerStep, parts } = JSON.parse(stdout) as StepsReport;
  return { ...parts!, step: secondsPerStep, payload: hosts.payload };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** A row of the table: medians, and the model's predictions. */
function compare({ count, delay, bandwidth }: Setting, points: readonly Point[]): string[] {
  const of = (key: keyof Point): number => median(points.map((point) => point[key]));
  const trainingMsPerImage = (of('arithmetic') / share) * 1000;
  const estimate = estimateScaling(
    {
      network,
      batch: share * count,
      microBatch: share,
      bandwidth,
      latency: delay / 1000,
      trainingMsPerImage,
      payload: of('payload'),
    },
    count,
  );
  const pair = (measured: number, predicted: number): string[] => [
    measured.toFixed(3),
    predicted.toFixed(3),
    `${(100 * (predicted / measured - 1)).toFixed(1)} %`,
  ];
  return [
    ...[count, bandwidth, delay].map(String),
    of('arithmetic').toFixed(3),
    ...pair(of('exchange'), estimate.communicationSeconds),
    ...pair(of('step'), estimate.secondsPerStep!),
  ];
}

if (withoutHosts) {
  process.stderr.write(`${withoutHosts}\n`);
  process.exit(1);
}
const settings = numbers(options.hosts).flatMap((count) =>
  numbers(options.delay).flatMap((delay) =>
    numbers(options.bandwidth).map((bandwidth) => ({ count, delay, bandwidth })),
  ),
);
const measured = settings.map((): Point[] => []);
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [i, { count, delay, bandwidth }] of settings.entries()) {
    const hosts = new Hosts(count, delay > 0 ? ['python3', wire, String(count), String(delay)] : undefined);
    const point = await measure(hosts, bandwidth);
    hosts.remove();
    process.stderr.write(`${JSON.stringify({ count, delay, bandwidth, ...point })}\n`);
    measured[i]!.push(point);
  }
}
const rows = settings.map((setting, i) => compare(setting, measured[i]!));
const head = [
  'hosts',
  'Gbit/s',
  'ms',
  'arithmetic, s',
  'exchange alone,\nmeasured, s',
  'predicted, s',
  'off by',
  'a step,\nmeasured, s',
  'predicted, s',
  'off by',
];
process.stdout.write(`${((parameterCount(network) * 4) / 1e6).toFixed(1)} MB, ${share} images a host\n`);
process.stdout.write(`${formatTable(rows, { head, align: head.map(() => 'right') })}\n`);
