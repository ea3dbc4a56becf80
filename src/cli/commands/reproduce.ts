import { estimatePlan, type PlanEstimate } from '../../api/estimate-plan.ts';
import type { EvaluationProgress } from '../../api/evaluate-model.ts';
import { reproducePaper } from '../../api/reproduce-paper.ts';
import type { ReproduceListener } from '../../api/reproduction-steps.ts';
import { UsageError } from '../../core/errors.ts';
import { formatBytes, formatCount, formatDuration, formatErrors, formatFlops } from '../../report/format.ts';
import { formatTable } from '../../report/table.ts';
import type { PlannedEvaluation } from '../../reproduce/evaluations.ts';
import type { ExperimentResult } from '../../reproduce/experiment-results.ts';
import type { Experiment } from '../../reproduce/experiments.ts';
import { transferSets } from '../../reproduce/published-appendices.ts';
import { readReproductionPlan } from '../../reproduce/reproduction-plan.ts';
import { totalOf } from '../../reproduce/time-estimate.ts';
import type { PlannedTraining } from '../../reproduce/training-order.ts';
import { choice, type FlagsOf, flag, newCommand, option, repeatable } from '../command.ts';
import { dataLocation, dataOptions } from '../data-options.ts';
import { SAVING, untilInterrupted } from '../interrupt.ts';
import { downloadModels } from '../model-downloads.ts';
import { json } from '../options.ts';
import { log, printAs, printJson, printResult } from '../output.ts';
import { ProgressBars } from '../progress.ts';
import { rankOptions, withRanks } from '../ranks.ts';
import { showEvaluation } from './evaluation-result.ts';
import { reproduceAppendix } from './reproduce-appendix.ts';
import { TrainingDisplay } from './training-display.ts';

const options = {
  plan: option('<file.yaml>', 'YAML file with the networks to train and their scales (see the folder plans)'),
  appendix: choice(
    ['a', 'b'],
    'instead of a plan: Tables 8 to 10 (a: boxes) or a column of Table 11 (b: linear classifiers on features)',
  ),
  model: repeatable(
    option('<model>', 'with --appendix: one model, or two (a: trained at S = 256 and 384; b: D and E)'),
  ),
  boxes: option('<path>', 'with --appendix a: CSV file of boxes, or folder of XML files'),
  recipe: option('<file>', "with --appendix a: YAML file of recipe keys (default: the paper's values)"),
  set: choice(transferSets, 'with --appendix b: the data set'),
  out: option('<folder>', 'folder for the runs, evaluations and tables (required without --dry-run)'),
  ...dataOptions,
  dryRun: flag('list the steps and estimate their times on this machine'),
  json,
  ...rankOptions,
};
type Flags = FlagsOf<typeof options>;

/** `vgg reproduce`: section 4. */
export const command = newCommand('reproduce', {
  description:
    'Train and evaluate the networks of a plan, and write Tables 3 to 7 and the claims of section 4. After an interruption, run the same command again: it skips what is already done.',
  examples: [
    'reproduce cifar10 --plan plans/quick.yaml --out reproductions/quick',
    'reproduce ILSVRC --plan plans/ilsvrc.yaml --dry-run',
    'reproduce ILSVRC --appendix a --model d-256.safetensors --model d-384.safetensors --out reproductions/boxes',
    'reproduce 101_ObjectCategories --appendix b --set Caltech-101 --model d.safetensors --model e.safetensors --out reproductions/caltech',
  ],
  options,
})
  .argument('<data>', 'data set with training and validation (or test) images')
  .action(reproduce);

async function reproduce(named: string, flags: Flags): Promise<void> {
  const data = dataLocation(named, flags);
  const { appendix, plan: planFile } = flags;
  if (appendix !== undefined) {
    const other = (['plan', 'dryRun', 'mpi'] as const).find((name) => flags[name] !== undefined);
    if (other !== undefined) {
      throw new UsageError(
        `--${other === 'dryRun' ? 'dry-run' : other} does not apply to --appendix; leave it out`,
      );
    }
    const out = folderOf(flags);
    await downloadModels(flags.model ?? []);
    return reproduceAppendix(data, { ...flags, appendix, out });
  }
  const foreign = (['model', 'boxes', 'recipe', 'set'] as const).find((name) => flags[name] !== undefined);
  if (foreign !== undefined) throw new UsageError(`--${foreign} needs --appendix; add it, or leave it out`);
  if (planFile === undefined)
    throw new UsageError('name a plan (--plan plans/quick.yaml), or --appendix a or b');
  const plan = await readReproductionPlan(planFile);
  if (flags.dryRun) {
    const { out = '.' } = flags;
    printAs(await estimatePlan({ data, plan, origin: planFile, out }), flags, formatEstimate);
    return;
  }
  const out = folderOf(flags);
  const listener = new ReproductionDisplay();
  const { seeds, results, claims, report, reportFile } = await untilInterrupted(
    (signal) =>
      withRanks(flags, (communicator) =>
        reproducePaper({ data, plan, origin: planFile, out, signal, communicator, listener }),
      ),
    SAVING,
  ).finally(() => listener.stop());
  if (flags.json) {
    const bySeed = [...results.values()].flatMap((own) =>
      own.map((result, i) => ({ seed: seeds[i]!.seed, ...withoutRanks(result) })),
    );
    printJson({ results: bySeed, claims });
  } else printResult(`${report}\nThe same tables with learning curves: ${reportFile}`);
}

function folderOf({ out }: Flags): string {
  if (out === undefined) throw new UsageError('name the folder of the runs and tables: --out FOLDER');
  return out;
}

/** The ranks are one number per image. */
function withoutRanks({ ranks: _, ...result }: ExperimentResult) {
  return result;
}

/** GPUs do not sustain their peak; no GPU has been measured. */
const GPU_TFLOPS = 20;

function formatEstimate({ steps, needs, has }: PlanEstimate): string {
  const total = totalOf(steps);
  const rows = [...steps, { kind: 'total', id: '', ...total }].map(({ kind, id, seconds, low, high }) => [
    kind,
    id,
    formatDuration(seconds),
    `${formatDuration(low)} to ${formatDuration(high)}`,
  ]);
  const table = formatTable(rows, {
    head: ['step', 'id', 'time on this machine', 'range'],
    align: ['left', 'left', 'right', 'right'],
  });
  const lack = (needed: number, there: number) =>
    needed > there ? `, ${formatBytes(needed - there)} too little` : '';
  const gpu = formatDuration(needs.trainingFlops / GPU_TFLOPS / 1e12);
  return `${table}
Medians of several short timings with the load that this machine has now. The lower end of a range assumes no other load.
disk: ${formatBytes(needs.diskBytes)} for models and posteriors; ${formatBytes(has.diskBytes)} free${lack(needs.diskBytes, has.diskBytes)}
memory: up to ${formatBytes(needs.memoryBytes)}; this machine has ${formatBytes(has.memoryBytes)}${lack(needs.memoryBytes, has.memoryBytes)}
arithmetic: ${formatFlops(needs.trainingFlops)} in training; a GPU that sustains ${GPU_TFLOPS} TFLOP/s would take ${gpu} (calculated)`;
}

/** Shows the current step on stderr. */
class ReproductionDisplay implements ReproduceListener {
  readonly #bars = new ProgressBars();
  #training: TrainingDisplay | undefined;
  #label = '';

  onTraining({ id, folder }: PlannedTraining, number: number, total: number): TrainingDisplay {
    log(`training ${number} of ${total}: ${id} (${folder})`);
    this.#training = new TrainingDisplay();
    return this.#training;
  }

  onTrainingEnd(): void {
    this.#training?.stop();
  }

  onEvaluation({ id }: PlannedEvaluation, number: number, total: number): void {
    this.#label = `evaluation ${number} of ${total}: ${id}`;
  }

  onEvaluationProgress(progress: EvaluationProgress): void {
    showEvaluation(this.#bars.show, this.#label)(progress);
  }

  onEvaluationEnd(): void {
    this.#bars.stop();
  }

  onWarning(warning: string): void {
    log(`warning: ${warning}`);
  }

  onResult({ id }: Experiment, result: ExperimentResult): void {
    log(`${id}: ${formatErrors(result)} on ${formatCount(result.images)} images`);
  }

  stop(): void {
    this.#training?.stop();
    this.#bars.stop();
  }
}
