/**
 * Compares the model behind `vgg plan --nodes` with steps of training on hosts whose network has a set bandwidth
 * (root, on Linux):
 *
 *   node dist/bench/mpi/shaped.js --bandwidth 0.2,0.5,1 --hosts 2
 *
 * A machine's arithmetic is measured in the same round by a process on each host that exchanges nothing, as the
 * time of its processor, since one machine's processors are shared by all hosts and by what else it does;
 * everything else is the model's. Rounds go through all bandwidths; the table has medians.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { projectFolder } from '../../src/core/project.ts';
import type { ConfigurationName } from '../../src/net/configurations.ts';
import { buildNetwork, parameterCount } from '../../src/net/network.ts';
import { estimateScaling } from '../../src/report/scaling.ts';
import { formatTable } from '../../src/report/table.ts';
import { Hosts, withoutHosts } from '../../test/mpi/hosts.ts';
import { outcomeOf } from '../../test/mpi/ranks.ts';
import type { StepsReport } from './steps.ts';

const { values: options } = parseArgs({
  options: {
    hosts: { type: 'string', default: '2' },
    /** Gbit/s. */
    bandwidth: { type: 'string', default: '0.2,0.5,1,2' },
    /** Of the network, one way, milliseconds; more than 0 goes through wire.py. */
    delay: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '3' },
    config: { type: 'string', default: 'D' },
    width: { type: 'string', default: '0.5' },
    crop: { type: 'string', default: '64' },
    classes: { type: 'string', default: '1000' },
    batch: { type: 'string', default: '16' },
    steps: { type: 'string', default: '4' },
  },
});
const count = Number(options.hosts);
const bandwidths = options.bandwidth.split(',').map(Number);
const batch = Number(options.batch);
const delay = Number(options.delay);
const wire = join(projectFolder, 'bench/mpi/wire.py');
const script = fileURLToPath(new URL('./steps.js', import.meta.url));
const shared = (['config', 'width', 'crop', 'classes', 'steps'] as const).flatMap((name) => [
  `--${name}`,
  options[name],
]);
const microBatch = Math.ceil(batch / count);

async function reportOf(child: Parameters<typeof outcomeOf>[0]): Promise<StepsReport> {
  const { code, stdout, stderr } = await outcomeOf(child);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as StepsReport;
}

const steps = (hosts: Hosts): Promise<StepsReport> => {
  const args = [...shared, '--batch', String(batch), '--micro-batch', String(microBatch)];
  return reportOf(hosts.start(count, script, args));
};

/** Milliseconds an image where every host computes its share alone; the mean of all. */
async function arithmetic(hosts: Hosts): Promise<number> {
  const args = [...shared, '--batch', String(microBatch), '--micro-batch', String(microBatch)];
  const each = Array.from({ length: count }, (_, i) =>
    reportOf(hosts.spawn(i + 1, [process.execPath, script, ...args])),
  );
  const seconds = (await Promise.all(each)).reduce((sum, report) => sum + report.processorSecondsPerStep, 0);
  return (seconds / count / microBatch) * 1000;
}

interface Point {
  readonly alone: number;
  readonly measured: StepsReport;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function measure(hosts: Hosts): Promise<Map<number, Point[]>> {
  const points = new Map<number, Point[]>(bandwidths.map((bandwidth) => [bandwidth, []]));
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [bandwidth, list] of points) {
      hosts.shape({ bandwidth });
      const point = { alone: await arithmetic(hosts), measured: await steps(hosts) };
      process.stderr.write(`${JSON.stringify({ bandwidth, ...point })}\n`);
      list.push(point);
    }
  }
  return points;
}

if (withoutHosts) {
  process.stderr.write(`${withoutHosts}\n`);
  process.exit(1);
}
const network = buildNetwork({
  configuration: options.config as ConfigurationName,
  classes: Number(options.classes),
  crop: Number(options.crop),
  width: Number(options.width),
});
const hosts = new Hosts(count, delay > 0 ? ['python3', wire, String(count), String(delay)] : undefined);
const points = await measure(hosts);
hosts.remove();
const rows = [...points].map(([bandwidth, list]) => {
  const trainingMsPerImage = median(list.map(({ alone }) => alone));
  const request = { network, batch, microBatch, bandwidth, latency: delay / 1000, trainingMsPerImage };
  const { secondsPerStep, communicationSeconds, hiddenSeconds } = estimateScaling(request, count);
  const measured = median(list.map(({ measured }) => measured.secondsPerStep));
  const exposed = median(list.map(({ measured }) => measured.exposedSeconds!));
  return [
    String(bandwidth),
    ((trainingMsPerImage * microBatch) / 1000).toFixed(3),
    exposed.toFixed(3),
    (communicationSeconds - hiddenSeconds!).toFixed(3),
    measured.toFixed(3),
    secondsPerStep!.toFixed(3),
    `${(100 * (secondsPerStep! / measured - 1)).toFixed(1)} %`,
  ];
});
const head = [
  'Gbit/s',
  'arithmetic\nalone, s',
  'not hidden,\nmeasured, s',
  'predicted, s',
  'a step,\nmeasured, s',
  'predicted, s',
  'off by',
];
process.stdout.write(`${((parameterCount(network) * 4) / 1e6).toFixed(1)} MB, ${count} hosts\n`);
process.stdout.write(`${formatTable(rows, { head, align: head.map(() => 'right') })}\n`);
