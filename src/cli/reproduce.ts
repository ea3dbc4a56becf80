import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { EvaluationProgress } from '../api/evaluate-model.ts';
import { type ReproduceListener, reproducePaper } from '../api/reproduce-paper.ts';
import { openImages } from '../data/sources/open-images.ts';
import type { BackendName } from '../kernels/backend-options.ts';
import { formatCount, formatDuration, formatPercent } from '../report/format.ts';
import { formatTable } from '../report/table.ts';
import { type PlannedRun, planRuns } from '../reproduce/chain.ts';
import { estimateReproduction, type StepEstimate } from '../reproduce/estimate.ts';
import { planMeasurements } from '../reproduce/measurements.ts';
import { planPasses } from '../reproduce/passes.ts';
import { type PlanFile, readPlanFile } from '../reproduce/plan-file.ts';
import { newCommand } from './command.ts';
import { untilInterrupted } from './interrupt.ts';
import { measureSpeed } from './measure.ts';
import { jsonOption } from './options.ts';
import { log, printAs, printJson, printResult } from './output.ts';
import { ProgressBar } from './progress.ts';
import { addRankOptions, type RankFlags, withRanks } from './ranks.ts';
import { TrainingDisplay } from './training-display.ts';

interface Flags extends RankFlags {
  readonly plan: string;
  readonly out: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `vgg reproduce`: section 4. */
export function reproduceCommand(): Command {
  const command = newCommand('reproduce', {
    description: 'Train and evaluate the networks of a plan, and write Tables 3 to 7 (paper, section 4).',
    examples: [
      'reproduce cifar10 --plan plans/quick.yaml --out reproductions/quick',
      'reproduce ILSVRC --plan plans/ilsvrc.yaml --out reproductions/ilsvrc --dry-run',
    ],
  })
    .argument('<data>', 'folder of labelled images, with train and val (or test) folders')
    .requiredOption('--plan <file>', 'which networks are trained at which scales (see the folder plans)')
    .requiredOption(
      '--out <folder>',
      'runs, evaluations and tables; what is there is not done again, so start again after any interruption',
    )
    .option('--dry-run', 'say what would be done, and how long it takes on this machine');
  return addRankOptions(command).addOption(jsonOption()).action(reproduce);
}

async function reproduce(data: string, flags: Flags): Promise<void> {
  const plan = await readPlanFile(flags.plan);
  if (flags.dryRun) {
    printAs(await estimate(data, plan, flags), flags, formatEstimate);
    return;
  }
  const display = new ReproductionDisplay();
  try {
    const outcome = await untilInterrupted((signal) =>
      withRanks(flags, (communicator) =>
        reproducePaper({
          ...{ data, plan, origin: flags.plan, out: flags.out },
          ...{ signal, communicator, listener: display },
        }),
      ),
    );
    if (flags.json)
      printJson({ results: [...outcome.results.values()].map(withoutRanks), claims: outcome.claims });
    else
      printResult(`${outcome.report}\nThese tables, with the curves of all trainings: ${outcome.reportFile}`);
  } finally {
    display.stop();
  }
}

function withoutRanks({ ranks: _, ...result }: { readonly ranks: readonly number[] }) {
  return result;
}

async function estimate(data: string, plan: PlanFile, flags: Flags): Promise<StepEstimate[]> {
  const runs = planRuns(plan, join(flags.out, 'runs'), flags.plan);
  const training = await openImages(data, { split: 'train' });
  const validation = await openImages(data, { split: 'val' });
  return estimateReproduction({
    runs,
    passes: planPasses(planMeasurements(runs)),
    trainingImages: training.length,
    validationImages: validation.length,
    classes: training.classes.length,
    speedOf: (network, batch, { backend, threads }) =>
      measureSpeed(network, batch, backend as BackendName, threads === undefined ? {} : { threads }),
  });
}

function formatEstimate(steps: readonly StepEstimate[]): string {
  const total = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  const rows = steps.map(({ kind, id, seconds }) => [kind, id, formatDuration(seconds)]);
  return formatTable([...rows, ['all', '', formatDuration(total)]], {
    head: ['step', 'what', 'time on this machine'],
    align: ['left', 'left', 'right'],
  });
}

/** Shows on stderr which step is under way. */
class ReproductionDisplay implements ReproduceListener {
  #training: TrainingDisplay | undefined;
  #evaluation: ProgressBar | undefined;
  #label = '';

  onRun({ id, folder }: PlannedRun, number: number, total: number): TrainingDisplay {
    log(`training ${number} of ${total}: ${id} (${join(dirname(folder), id)})`);
    this.#training = new TrainingDisplay();
    return this.#training;
  }

  onRunEnd(): void {
    this.#training?.stop();
  }

  onPass({ id }: { readonly id: string }, number: number, total: number): void {
    this.#label = `evaluation ${number} of ${total}: ${id}`;
  }

  onEvaluation({ done, total, top1Error }: EvaluationProgress): void {
    this.#evaluation ??= new ProgressBar(this.#label, total, { done: done - 1 });
    this.#evaluation.update(done, `top-1 error ${formatPercent(top1Error)} %`);
  }

  onPassEnd(): void {
    this.#evaluation?.stop();
    this.#evaluation = undefined;
  }

  onMeasurement(
    { id }: { readonly id: string },
    { top1Error, top5Error, images }: { top1Error: number; top5Error: number; images: number },
  ): void {
    const errors = `top-1 ${formatPercent(top1Error)} %, top-5 ${formatPercent(top5Error)} %`;
    log(`${id}: ${errors} error on ${formatCount(images)} images`);
  }

  stop(): void {
    this.#training?.stop();
    this.#evaluation?.stop();
  }
}
