import type { Benchmark, BenchmarkRow } from './benchmark.ts';
import { formatBytes } from './format.ts';
import { formatFacts, formatTable } from './table.ts';

/** A benchmark as `vgg bench` prints it. */
export function formatBenchmark(result: Benchmark): string {
  const { configuration, crop, width, batch, mode } = result;
  const facts = formatFacts([
    ['network', `${configuration}, crop ${crop}, width ${width}, batch ${batch}`],
    ['measured', mode === 'train' ? 'a step: forward, loss, backward, update' : 'inference'],
    ['engine', result.engine],
    ['time', `${formatMs(result.msPerImage)} an image (median ${formatMs(result.medianMsPerImage)})`],
    ['speed', `${result.gflops.toFixed(0)} GFLOP/s, counted as direct convolution`],
    ['FMA peak', `${result.peakGflops.toFixed(0)} GFLOP/s, of which ${percent(result.shareOfPeak)}`],
    [
      'memory',
      `${formatBytes(result.peakMemoryBytes)} at most, of which the program ${formatBytes(result.programBytes)}`,
    ],
  ]);
  return `${facts}\n\n${formatRows(result.layers)}`;
}

function formatRows(rows: readonly BenchmarkRow[]): string {
  return formatTable(
    rows.map(({ name, pass, algorithm, msPerImage, gflops, shareOfPeak, shareOfTime }) => [
      name,
      pass,
      algorithm,
      msPerImage.toFixed(3),
      percent(shareOfTime),
      gflops > 0 ? gflops.toFixed(0) : '',
      gflops > 0 ? percent(shareOfPeak) : '',
    ]),
    {
      head: ['layer', 'pass', 'by', 'ms an image', 'of the time', 'GFLOP/s', 'of the peak'],
      align: ['left', 'left', 'left', 'right', 'right', 'right', 'right'],
    },
  );
}

function formatMs(ms: number): string {
  return `${ms < 100 ? ms.toPrecision(3) : ms.toFixed(0)} ms`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
