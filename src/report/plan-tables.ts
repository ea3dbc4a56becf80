import type { GpuScalingEstimate } from '../plan/gpu-scaling.ts';
import type { ScalingEstimate } from '../plan/scaling.ts';
import type { TrainingEstimate } from '../plan/training-estimate.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFlops,
  formatMillions,
  formatMilliseconds,
} from './format.ts';
import { type Column, formatFacts, formatParagraph, formatTable, tableOf } from './table.ts';

const MEMORY_SOURCES: Readonly<Record<TrainingEstimate['memorySource'], string>> = {
  planned: 'Memory of the process, as the native backend plans it.',
  'upper estimate': 'Memory of the process, an upper estimate: only the native backend plans it exactly.',
};

/** The output of `vgg plan`. */
export function formatPlan(plan: TrainingEstimate): string {
  return [
    formatFacts(factsOf(plan)),
    formatParagraph(
      `${MEMORY_SOURCES[plan.memorySource]} Training computes a batch in micro-batches whose gradients add up. The decoded images that the loader keeps (--memory-budget) come on top.`,
    ),
    formatMemory(plan),
    formatParagraph(
      'Synchronous data parallelism: the machines share each batch and exchange gradients during the last backward pass.',
    ),
    formatScaling(plan),
    ...(plan.gpuScaling ? [formatGpuScaling(plan.gpuScaling)] : []),
  ].join('\n\n');
}

function parametersOf({ parameters, trainedParameters }: TrainingEstimate): string {
  const all = `${formatMillions(parameters)} million`;
  return trainedParameters === parameters
    ? all
    : `${all}, of which ${formatMillions(trainedParameters)} million are trained`;
}

function factsOf(plan: TrainingEstimate): [string, string][] {
  const { flopsPerImage, time } = plan;
  const facts: [string, string][] = [
    ['network', `${plan.configuration}, ${plan.classes} classes, crop ${plan.crop}, width ${plan.width}`],
    ['parameters', parametersOf(plan)],
    ['forward pass', `${formatFlops(flopsPerImage.forward)} per image`],
    [
      'training',
      `${formatFlops(flopsPerImage.training)} per image, ${formatFlops(plan.trainingFlops)} in total`,
    ],
    [
      'iterations',
      `${formatCount(plan.iterations)} with batch size ${plan.batch}, ${formatCount(plan.iterationsPerEpoch)} per epoch`,
    ],
    ['model file', formatBytes(plan.modelBytes)],
    ['checkpoint', formatBytes(plan.checkpointBytes)],
    ['all-reduce of gradients', `${formatBytes(plan.gradientBytes)} per step`],
  ];
  if (!time) return [...facts, ['time', 'unknown; pass --measure to time this machine, or --gflops']];
  return [
    ...facts,
    ['inference time', `${formatMilliseconds(time.inferenceMsPerImage)} per image`],
    [
      'training time',
      `${formatMilliseconds(time.trainingMsPerImage)} per image, ${formatDuration(time.secondsPerStep)} per step, ${formatDuration(time.secondsPerEpoch)} per epoch, ${formatDuration(time.secondsInAll)} in total`,
    ],
  ];
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
      head: ['batch size', 'micro-batch', 'training', 'inference'],
      align: ['right', 'right', 'right', 'right'],
    },
  );
}

function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return '–';
  return seconds < 10 ? `${seconds.toFixed(2)} s` : formatDuration(seconds);
}

/** Without a speed only the exchange is known. */
function formatScaling({ scaling, time }: TrainingEstimate): string {
  return tableOf(scaling, [
    ['machines', ({ machines }) => String(machines), 'right'],
    ['sent by each\nper step', ({ bytesSentPerStep }) => formatBytes(bytesSentPerStep), 'right'],
    ['exchange', ({ communicationSeconds }) => formatSeconds(communicationSeconds), 'right'],
    ...(time === undefined ? [] : TIMES),
  ]);
}

function formatGpuScaling(scaling: readonly GpuScalingEstimate[]): string {
  return tableOf(scaling, [
    ['GPUs', ({ gpus }) => String(gpus), 'right'],
    ['exchange', ({ exchangeSeconds }) => formatSeconds(exchangeSeconds), 'right'],
    ['hidden', ({ hiddenSeconds }) => formatSeconds(hiddenSeconds), 'right'],
    ['step', ({ secondsPerStep }) => formatSeconds(secondsPerStep), 'right'],
    ['speed-up', ({ speedup }) => speedup.toFixed(2), 'right'],
  ]);
}

const TIMES: readonly Column<ScalingEstimate>[] = [
  ['hidden', ({ hiddenSeconds }) => formatSeconds(hiddenSeconds), 'right'],
  ['step', ({ secondsPerStep }) => formatSeconds(secondsPerStep), 'right'],
  ['speed-up', ({ speedup }) => speedup?.toFixed(2) ?? '–', 'right'],
];
