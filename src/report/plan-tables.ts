import type { TrainingEstimate } from '../plan/training-estimate.ts';
import { formatBytes, formatCount, formatDuration, formatFlops, formatMillions } from './format.ts';
import { formatFacts, formatTable } from './table.ts';

/** The plan as `vgg plan` prints it. */
export function formatPlan(plan: TrainingEstimate): string {
  return [
    formatFacts(factsOf(plan)),
    'Memory of the process, estimated (a batch of training runs as micro-batches whose gradients add up; decoded images\nthat the loader keeps, up to --memory-budget, come on top):',
    formatMemory(plan),
    'Synchronous data parallelism, each batch split over the machines, gradients summed while the last backward pass runs:',
    formatScaling(plan),
  ].join('\n\n');
}

function factsOf(plan: TrainingEstimate): [string, string][] {
  const { flopsPerImage, time } = plan;
  const facts: [string, string][] = [
    ['network', `${plan.configuration}, ${plan.classes} classes, crop ${plan.crop}, width ${plan.width}`],
    ['parameters', `${formatMillions(plan.parameters)} million`],
    ['arithmetic, forward', `${formatFlops(flopsPerImage.forward)} an image`],
    ['arithmetic, training', `${formatFlops(flopsPerImage.training)} an image`],
    [
      'training',
      `${formatCount(plan.iterations)} iterations of ${plan.batch} images, ${formatCount(plan.iterationsPerEpoch)} an epoch, ${formatFlops(plan.trainingFlops)} in all`,
    ],
    ['model file', formatBytes(plan.modelBytes)],
    ['checkpoint', formatBytes(plan.checkpointBytes)],
    ['all-reduce of gradients', `${formatBytes(plan.gradientBytes)} a step`],
  ];
  if (!time) {
    return [...facts, ['time', 'unknown; give --gflops, or --measure to time this machine']];
  }
  return [
    ...facts,
    ['time, inference', `${formatMs(time.inferenceMsPerImage)} an image`],
    ['time, training', `${formatMs(time.trainingMsPerImage)} an image`],
    ['time, a step', formatDuration(time.secondsPerStep)],
    ['time, an epoch', formatDuration(time.secondsPerEpoch)],
    ['time, in all', formatDuration(time.secondsInAll)],
  ];
}

function formatMs(ms: number): string {
  return `${ms < 100 ? ms.toPrecision(3) : ms.toFixed(0)} ms`;
}

function formatMemory({ memory }: TrainingEstimate): string {
  return formatTable(
    memory.map(({ batch, microBatch, training, inference }) => [
      String(batch),
      String(microBatch),
      formatBytes(training),
      formatBytes(inference),
    ]),
    {
      head: ['batch', 'micro-batch', 'training', 'inference,\nall at once'],
      align: ['right', 'right', 'right', 'right'],
    },
  );
}

function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return '–';
  return seconds < 10 ? `${seconds.toFixed(2)} s` : formatDuration(seconds);
}

function formatScaling({ scaling }: TrainingEstimate): string {
  return formatTable(
    scaling.map((estimate) => [
      String(estimate.machines),
      formatBytes(estimate.bytesSentPerStep),
      formatSeconds(estimate.communicationSeconds),
      formatSeconds(estimate.hiddenSeconds),
      formatSeconds(estimate.secondsPerStep),
      estimate.speedup?.toFixed(2) ?? '–',
    ]),
    {
      head: ['machines', 'sent by each,\na step', 'exchange', 'of that hidden', 'a step', 'speed-up'],
      align: ['right', 'right', 'right', 'right', 'right', 'right'],
    },
  );
}
