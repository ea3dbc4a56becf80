/** The claims of section 4, and whether a reproduction confirms them. */
import { deriveKeys, keyOfSeed } from '../core/random.ts';
import { meanOf } from '../core/statistics.ts';
import type { Protocol } from '../evaluate/protocol/protocol.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import { type Difference, type ErrorsBySeed, pairedBootstrap, seedsToDecide } from './bootstrap.ts';
import { type Experiment, experimentId, type TestScales } from './experiments.ts';
import type { PlannedTraining } from './training-order.ts';

export type Verdict = 'holds' | 'does not hold' | 'not decided' | 'not measured';

export interface ClaimResult {
  readonly claim: string;
  /** Section of the paper. */
  readonly section: string;
  /** Two experiments, `d-256.dense.single → e-256.dense.single`; the claim is about the second. */
  readonly compared: string;
  readonly result: Difference | null;
  readonly verdict: Verdict;
  /**
   * Not decided only: the estimated number of seeds that would decide it; `more images` if seeds alone would not. Absent with one seed.
   */
  readonly seedsToDecide?: number | 'more images';
}

/** An experiment with its error on each image, for each seed. */
export interface MeasuredExperiment extends Experiment {
  /** For each seed, for each image, whether its true class was not the most probable. */
  readonly errors: ErrorsBySeed;
}

type Pair = readonly [first: MeasuredExperiment | undefined, second: MeasuredExperiment | undefined];

interface Claim {
  readonly claim: string;
  readonly section: string;
  /** `better`: the second has the smaller error. `no better`: its error is not smaller by more than the margin. */
  readonly kind: 'better' | 'no better';
  readonly pairs: (all: readonly MeasuredExperiment[]) => Pair[];
}

/** For claims that something does not help, smaller differences in error rate count as none. */
export const MARGIN = 0.005;

/** A claim about two nets at the first training scale. */
function compareNets(
  claim: string,
  kind: Claim['kind'],
  nets: readonly [ConfigurationName, ConfigurationName],
  protocol: Protocol = 'dense',
): Claim {
  const experimentOf = (all: readonly MeasuredExperiment[], net: ConfigurationName) =>
    find(all, trainingsOf(all, net).find(({ stage }) => stage === 0)?.id, protocol, 'single');
  return {
    claim,
    section: '4.1',
    kind,
    pairs: (all) => [[experimentOf(all, nets[0]), experimentOf(all, nets[1])]],
  };
}

const claims: readonly Claim[] = [
  compareNets('local response normalization does not help', 'no better', ['A', 'A-LRN']),
  compareNets('the error falls with depth: B is better than A', 'better', ['A', 'B']),
  compareNets('the error falls with depth: D is better than B', 'better', ['B', 'D']),
  compareNets('the error saturates at 19 layers: E is no better than D', 'no better', ['D', 'E']),
  compareNets('more non-linearity helps: C is better than B', 'better', ['B', 'C']),
  compareNets('spatial context helps more: D is better than C', 'better', ['C', 'D']),
  compareNets(
    'a deep net of 3×3 filters is better than a shallow one of 5×5 (center crop)',
    'better',
    ['B-5x5', 'B'],
    'center',
  ),
  {
    claim: 'scale jittering in training is better than a fixed scale',
    section: '4.1',
    kind: 'better',
    pairs: (all) =>
      multiScaleNets(all).map((net) => {
        const [fixed, jittered] = trainingsOf(all, net).slice(-2);
        return [find(all, fixed?.id, 'dense', 'single'), find(all, jittered?.id, 'dense', 'single')];
      }),
  },
  {
    claim: 'several test scales are better than one',
    section: '4.2',
    kind: 'better',
    pairs: (all) =>
      multiScaleNets(all).map((net) => {
        const id = trainingsOf(all, net).at(-1)?.id;
        return [find(all, id, 'dense', 'single'), find(all, id, 'dense')];
      }),
  },
  {
    claim: 'multi-crop evaluation is better than dense evaluation',
    section: '4.3',
    kind: 'better',
    pairs: (all) => bestNets(all).map((id) => [find(all, id, 'dense'), find(all, id, 'crops')]),
  },
  {
    claim: 'dense and multi-crop evaluation together are better than multi-crop evaluation',
    section: '4.3',
    kind: 'better',
    pairs: (all) => bestNets(all).map((id) => [find(all, id, 'crops'), find(all, id, 'both')]),
  },
  {
    claim: 'two nets together are better than the better one',
    section: '4.4',
    kind: 'better',
    pairs: (all) => {
      const nets = bestNets(all);
      return [[leastError(nets.map((id) => find(all, id, 'both'))), find(all, nets.join('+'), 'both')]];
    },
  },
  {
    claim: 'the two best nets are no worse than all of them together',
    section: '4.4',
    kind: 'no better',
    pairs: (all) => [[find(all, bestNets(all).join('+'), 'dense'), largestEnsemble(all)]],
  },
];

/** Checks every claim whose experiments exist; lists the others as not measured. */
export function judgeClaims(all: readonly MeasuredExperiment[]): ClaimResult[] {
  return claims.flatMap((claim) => {
    const pairs = claim
      .pairs(all)
      .filter((pair): pair is [MeasuredExperiment, MeasuredExperiment] => !pair.includes(undefined));
    if (pairs.length > 0) return pairs.map(([first, second]) => judge(claim, first, second));
    const { claim: text, section } = claim;
    return [{ claim: text, section, compared: '', result: null, verdict: 'not measured' as const }];
  });
}

function judge(
  { claim, section, kind }: Claim,
  first: MeasuredExperiment,
  second: MeasuredExperiment,
): ClaimResult {
  const compared = `${first.id} → ${second.id}`;
  const result = pairedBootstrap(first.errors, second.errors, deriveKeys(keyOfSeed(1), compared));
  const verdict = verdictOf(kind, result);
  const seeds =
    verdict === 'not decided' ? seedsToDecide(result, kind === 'better' ? 0 : -MARGIN) : undefined;
  return {
    claim,
    section,
    compared,
    result,
    verdict,
    seedsToDecide: seeds === Infinity ? 'more images' : seeds,
  };
}

export function verdictOf(kind: Claim['kind'], { low, high }: Pick<Difference, 'low' | 'high'>): Verdict {
  if (kind === 'better') {
    if (high < 0) return 'holds';
    return low > 0 ? 'does not hold' : 'not decided';
  }
  if (low > -MARGIN) return 'holds';
  return high < -MARGIN ? 'does not hold' : 'not decided';
}

/** @param nets id of a training, or of several: `d-256+e-256` */
function find(
  all: readonly MeasuredExperiment[],
  nets: string | undefined,
  protocol: Protocol,
  scales: TestScales = 'auto',
): MeasuredExperiment | undefined {
  return all.find(({ id }) => id === experimentId(nets ?? '', protocol, scales));
}

function singles(all: readonly MeasuredExperiment[]): MeasuredExperiment[] {
  return all.filter(({ trainings }) => trainings.length === 1);
}

/** Nets that were tested at several scales. */
function multiScaleNets(all: readonly MeasuredExperiment[]): ConfigurationName[] {
  const found = singles(all).filter(({ scales }) => scales === 'auto');
  return [...new Set(found.map(({ trainings }) => trainings[0]!.net))];
}

/** Trainings of one net, in the order of the stages. */
function trainingsOf(all: readonly MeasuredExperiment[], net: ConfigurationName): PlannedTraining[] {
  const trainings = new Set(singles(all).map((one) => one.trainings[0]!));
  return [...trainings].filter((training) => training.net === net).sort((a, b) => a.stage - b.stage);
}

/** Ids of the trainings that were evaluated by crops: the two best nets. */
function bestNets(all: readonly MeasuredExperiment[]): string[] {
  return singles(all)
    .filter(({ protocol }) => protocol === 'crops')
    .map(({ trainings }) => trainings[0]!.id);
}

function leastError(candidates: readonly (MeasuredExperiment | undefined)[]): MeasuredExperiment | undefined {
  const count = ({ errors }: MeasuredExperiment) => meanOf(errors.map((one) => one.filter(Boolean).length));
  return candidates
    .filter((one) => one !== undefined)
    .reduce<MeasuredExperiment | undefined>((a, b) => (a && count(a) <= count(b) ? a : b), undefined);
}

/** The largest group of nets that was tested together. */
function largestEnsemble(all: readonly MeasuredExperiment[]): MeasuredExperiment | undefined {
  const ensembles = all.filter(({ trainings }) => trainings.length > 2);
  return ensembles.sort((a, b) => b.trainings.length - a.trainings.length)[0];
}
