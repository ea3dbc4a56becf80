import type { LayerOverlap } from '../train/exchange-overlap.ts';
import type { Benchmark, BenchmarkRow, ExchangeReport } from './benchmark-result.ts';
import { formatBytes, formatMilliseconds } from './format.ts';
import { formatFacts, formatTable } from './table.ts';

/** A benchmark as `vgg bench` prints it. */
export function formatBenchmark(result: Benchmark): string {
  const { configuration, crop, width, batch, mode, peakGflops, shareOfPeak, exchange } = result;
  const facts = formatFacts([
    ['network', `${configuration}, crop ${crop}, width ${width}, batch ${batch}`],
    ['measured', mode === 'train' ? 'training step: forward, loss, backward, update' : 'inference'],
    ['backend', result.engine],
    [
      'time',
      `${formatMilliseconds(result.msPerImage)} per image (median ${formatMilliseconds(result.medianMsPerImage)})`,
    ],
    ['speed', `${formatSpeed(result.gflops)} GFLOP/s, counted as direct convolution`],
    ...(peakGflops === undefined || shareOfPeak === undefined
      ? []
      : [
          ['FMA peak', `${peakGflops.toFixed(0)} GFLOP/s; this run reaches ${percent(shareOfPeak)}`] as const,
        ]),
    ...(exchange
      ? [
          [
            'exchange',
            `${formatMilliseconds(1000 * exchange.seconds)} over ${formatTeam(exchange)}, ${formatMilliseconds(1000 * exchange.exposedSeconds)} of it not hidden`,
          ] as const,
        ]
      : []),
    [
      'memory',
      `program ${formatBytes(result.programBytes)}, parameters ${formatBytes(result.parameterBytes)}; peak of the process ${formatBytes(result.peakMemoryBytes)}`,
    ],
  ]);
  return [
    facts,
    ...(result.layers.length > 0 ? [formatRows(result.layers)] : []),
    ...(exchange ? [formatOverlap(exchange.layers)] : []),
  ].join('\n\n');
}

function formatRows(rows: readonly BenchmarkRow[]): string {
  const hasPeak = rows.some(({ shareOfPeak }) => shareOfPeak !== undefined);
  return formatTable(
    rows.map(({ name, pass, algorithm, msPerImage, gflops, shareOfPeak = 0, shareOfTime }) => [
      name,
      pass,
      algorithm,
      msPerImage.toFixed(3),
      percent(shareOfTime),
      gflops > 0 ? formatSpeed(gflops) : '',
      ...(hasPeak ? [gflops > 0 ? percent(shareOfPeak) : ''] : []),
    ]),
    {
      head: [
        'layer',
        'pass',
        'algorithm',
        'ms per image',
        'share of time',
        'GFLOP/s',
        ...(hasPeak ? ['share of peak'] : []),
      ],
      align: ['left', 'left', 'left', 'right', 'right', 'right', ...(hasPeak ? ['right' as const] : [])],
    },
  );
}

function formatSpeed(gflops: number): string {
  return gflops.toFixed(gflops < 10 ? 1 : 0);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function formatTeam({ ranks, devices }: ExchangeReport): string {
  const gpus = `${devices} GPUs that share the batch`;
  if (ranks === 1) return gpus;
  return `${ranks} ranks with one such batch each${devices > 1 ? ` (${gpus} in the first)` : ''}`;
}

export function formatOverlap(layers: readonly LayerOverlap[]): string {
  const ms = (seconds: number): string => (1000 * seconds).toFixed(1);
  return formatTable(
    layers.map(({ layer, bytes, sentAt, arrivedAt, hidden }) => [
      layer,
      (bytes / 1e6).toFixed(2),
      ms(sentAt),
      ms(arrivedAt),
      (100 * hidden).toFixed(0),
    ]),
    {
      head: ['layer', 'MB', 'sent, ms after\nthe pass', 'summed, ms after\nthe pass', 'hidden, %'],
      align: ['left', 'right', 'right', 'right', 'right'],
    },
  );
}
