/** What section 4 claims, and whether a reproduction bears it out. */
import { deriveKeys, keyOfSeed } from '../core/random.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import { type Difference, pairedBootstrap } from './bootstrap.ts';
import type { PlannedMeasurement } from './measurements.ts';

export type Verdict = 'holds' | 'does not hold' | 'not decided' | 'not measured';

/** What a comparison found. */
export interface ClaimResult {
  readonly claim: string;
  /** Section of the paper. */
  readonly section: string;
  /** What was compared: two measurements, the second claimed to be the better one. */
  readonly compared: string;
  readonly result: Difference | null;
  readonly verdict: Verdict;
}

/** A measurement with what became of each image. */
export interface Measured {
  readonly measurement: PlannedMeasurement;
  /** For each image whether its true class was not the most probable. */
  readonly errors: readonly boolean[];
}

interface Claim {
  readonly claim: string;
  readonly section: string;
  /** `better`: the second has the smaller error. `no better`: it has not, by more than the margin. */
  readonly kind: 'better' | 'no better';
  readonly pairs: (all: readonly Measured[]) => (readonly [Measured | undefined, Measured | undefined])[];
}

/** A difference below this, in error rate, counts as none where a claim says that something does not help. */
export const MARGIN = 0.005;

const claims: readonly Claim[] = [
  {
    claim: 'local response normalisation does not help',
    section: '4.1',
    kind: 'no better',
    pairs: (all) => [[single(all, 'A'), single(all, 'A-LRN')]],
  },
  {
    claim: 'the error falls with depth: B is better than A',
    section: '4.1',
    kind: 'better',
    pairs: (all) => [[single(all, 'A'), single(all, 'B')]],
  },
  {
    claim: 'the error falls with depth: D is better than B',
    section: '4.1',
    kind: 'better',
    pairs: (all) => [[single(all, 'B'), single(all, 'D')]],
  },
  {
    claim: 'the error saturates at 19 layers: E is no better than D',
    section: '4.1',
    kind: 'no better',
    pairs: (all) => [[single(all, 'D'), single(all, 'E')]],
  },
  {
    claim: 'more non-linearity helps: C is better than B',
    section: '4.1',
    kind: 'better',
    pairs: (all) => [[single(all, 'B'), single(all, 'C')]],
  },
  {
    claim: 'spatial context helps more: D is better than C',
    section: '4.1',
    kind: 'better',
    pairs: (all) => [[single(all, 'C'), single(all, 'D')]],
  },
  {
    claim: 'a deep net of 3×3 is better than a shallow one of 5×5 (centre crop)',
    section: '4.1',
    kind: 'better',
    pairs: (all) => [[find(all, 'B-5x5', 0, 'center', 'single'), find(all, 'B', 0, 'center', 'single')]],
  },
  {
    claim: 'scale jittering in training is better than a fixed scale',
    section: '4.1',
    kind: 'better',
    pairs: (all) =>
      nets(all).map((net) => {
        const stages = stagesOf(all, net);
        return stages.length < 2
          ? [undefined, undefined]
          : [
              find(all, net, stages.at(-2)!, 'dense', 'single'),
              find(all, net, stages.at(-1)!, 'dense', 'single'),
            ];
      }),
  },
  {
    claim: 'several test scales are better than one',
    section: '4.2',
    kind: 'better',
    pairs: (all) =>
      nets(all).map((net) => {
        const stage = stagesOf(all, net).at(-1)!;
        return [find(all, net, stage, 'dense', 'single'), find(all, net, stage, 'dense', 'auto')];
      }),
  },
  {
    claim: 'multi-crop evaluation is better than dense',
    section: '4.3',
    kind: 'better',
    pairs: (all) => best(all).map((ids) => [byIds(all, ids, 'dense'), byIds(all, ids, 'crops')]),
  },
  {
    claim: 'dense and multi-crop together are better than multi-crop',
    section: '4.3',
    kind: 'better',
    pairs: (all) => best(all).map((ids) => [byIds(all, ids, 'crops'), byIds(all, ids, 'both')]),
  },
  {
    claim: 'two nets together are better than the better one',
    section: '4.4',
    kind: 'better',
    pairs: (all) => [
      [betterOf(best(all).map((ids) => byIds(all, ids, 'both'))), byIds(all, pair(all), 'both')],
    ],
  },
  {
    claim: 'the two best nets are no worse than all of them together',
    section: '4.4',
    kind: 'no better',
    pairs: (all) => [[byIds(all, pair(all), 'dense'), everything(all)]],
  },
];

/** Judges every claim that the measurements allow; the others are listed as not measured. */
export function judgeClaims(all: readonly Measured[]): ClaimResult[] {
  return claims.flatMap((claim) => {
    const pairs = claim.pairs(all).filter((pair): pair is [Measured, Measured] => !pair.includes(undefined));
    if (pairs.length > 0) return pairs.map(([first, second]) => judge(claim, first, second));
    const { claim: text, section } = claim;
    return [{ claim: text, section, compared: '', result: null, verdict: 'not measured' as const }];
  });
}

function judge({ claim, section, kind }: Claim, first: Measured, second: Measured): ClaimResult {
  const compared = `${first.measurement.id} → ${second.measurement.id}`;
  const result = pairedBootstrap(first.errors, second.errors, deriveKeys(keyOfSeed(1), compared));
  return { claim, section, compared, result, verdict: verdictOf(kind, result) };
}

export function verdictOf(kind: 'better' | 'no better', { low, high }: Difference): Verdict {
  if (kind === 'better') {
    if (high < 0) return 'holds';
    return low > 0 ? 'does not hold' : 'not decided';
  }
  if (low > -MARGIN) return 'holds';
  return high < -MARGIN ? 'does not hold' : 'not decided';
}

function single(all: readonly Measured[], net: ConfigurationName): Measured | undefined {
  return find(all, net, 0, 'dense', 'single');
}

function find(
  all: readonly Measured[],
  net: ConfigurationName,
  stage: number,
  protocol: string,
  scales: string,
): Measured | undefined {
  return all.find(
    ({ measurement: { runs, ...own } }) =>
      runs.length === 1 &&
      runs[0]!.net === net &&
      runs[0]!.stage === stage &&
      own.protocol === protocol &&
      own.scales === scales,
  );
}

/** Nets that were evaluated at several test scales. */
function nets(all: readonly Measured[]): ConfigurationName[] {
  const found = all
    .filter(({ measurement }) => measurement.runs.length === 1 && measurement.scales === 'auto')
    .map(({ measurement }) => measurement.runs[0]!.net);
  return [...new Set(found)];
}

function stagesOf(all: readonly Measured[], net: ConfigurationName): number[] {
  const stages = all
    .filter(({ measurement: { runs } }) => runs.length === 1 && runs[0]!.net === net)
    .map(({ measurement }) => measurement.runs[0]!.stage);
  return [...new Set(stages)].sort((a, b) => a - b);
}

const idsOf = ({ measurement }: Measured): string => measurement.runs.map(({ id }) => id).join('+');

/** The single nets that were evaluated by crops. */
function best(all: readonly Measured[]): string[] {
  return all
    .filter(({ measurement: { protocol, runs } }) => protocol === 'crops' && runs.length === 1)
    .map(idsOf);
}

/** The two best nets together. */
function pair(all: readonly Measured[]): string {
  return best(all).join('+');
}

function byIds(all: readonly Measured[], ids: string, protocol: string): Measured | undefined {
  return all.find(
    (one) => idsOf(one) === ids && one.measurement.protocol === protocol && one.measurement.scales === 'auto',
  );
}

function betterOf(candidates: readonly (Measured | undefined)[]): Measured | undefined {
  const errors = (one: Measured) => one.errors.filter(Boolean).length;
  return candidates
    .filter((one) => one !== undefined)
    .reduce<Measured | undefined>((a, b) => (a && errors(a) <= errors(b) ? a : b), undefined);
}

/** The largest group of nets that was evaluated together. */
function everything(all: readonly Measured[]): Measured | undefined {
  const groups = all.filter(({ measurement }) => measurement.runs.length > 2);
  return groups.sort((a, b) => b.measurement.runs.length - a.measurement.runs.length)[0];
}
