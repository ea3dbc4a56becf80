/** Fits a linear classifier to descriptors: the constant is chosen on a fifth of the training images (appendix B). */
import { deriveKeys, keyOfSeed, permutation } from '../../core/random.ts';
import { holdOut, holdOutOfAll } from '../../data/sources/hold-out.ts';
import type { LinearKind, LinearProblem } from './linear-problem.ts';
import { type LinearClassifier, linearScores, trainLinear } from './linear-svm.ts';
import { decisions, meanAveragePrecision, meanClassRecall, type Scored } from './measures.ts';

/** The constants C that are tried. */
const CONSTANTS = [0.01, 0.1, 1, 10, 100, 1000] as const;
const HELD_OUT = 0.2;
/** Factors on the scores that are tried, so that their soft-max is a probability. */
const FACTORS = Array.from({ length: 33 }, (_, i) => 2 ** (i / 4 - 2));

export interface Fitted {
  readonly classifier: LinearClassifier;
  /** The constant C. */
  readonly constant: number;
  /** The factor on the scores with which their soft-max is likeliest for the images that chose the constant. */
  readonly factor: number;
}

export function fitClassifier(
  problem: LinearProblem,
  isMultiLabel: boolean,
  seed: number,
  kind?: LinearKind,
): Fitted {
  const parts = isMultiLabel
    ? holdOutOfAll(problem.vectors.length, HELD_OUT, seed)
    : holdOut(Int32Array.from(decisionsOf(problem)), HELD_OUT, seed);
  if (!parts) return { classifier: trainLinear(problem, { kind, seed }), constant: 1, factor: 1 };
  const [training, held] = [partOf(problem, parts.training), partOf(problem, parts.validation)];
  let best = { constant: 1, figure: -1, factor: 1 };
  for (const constant of CONSTANTS) {
    const scores = linearScores(trainLinear(training, { kind, constant, seed }), held.vectors);
    const scored = { scores, targets: held.targets, classes: held.classes };
    const figure = isMultiLabel
      ? meanAveragePrecision(scored, 'all-point')
      : meanClassRecall(decisions(scored));
    if (figure > best.figure) best = { constant, figure, factor: isMultiLabel ? 1 : likeliestFactor(scored) };
  }
  const { constant, factor } = best;
  return { classifier: trainLinear(problem, { kind, constant, seed }), constant, factor };
}

function decisionsOf({ targets, classes, vectors }: LinearProblem): number[] {
  return vectors.map((_, n) => targets.subarray(n * classes, (n + 1) * classes).indexOf(1));
}

/** Some vectors of a problem. */
export function partOf(problem: LinearProblem, images: Uint32Array): LinearProblem {
  const { vectors, targets, classes } = problem;
  const rows = Int8Array.from({ length: images.length * classes }, (_, i) => {
    return targets[images[Math.floor(i / classes)]! * classes + (i % classes)]!;
  });
  return { vectors: Array.from(images, (n) => vectors[n]!), targets: rows, classes };
}

function likeliestFactor(scored: Scored): number {
  const losses = FACTORS.map((factor) => crossEntropy(scored, factor));
  return FACTORS[losses.indexOf(Math.min(...losses))]!;
}

/** Summed over the images. */
function crossEntropy({ scores, targets, classes }: Scored, factor: number): number {
  let sum = 0;
  for (let n = 0; n < scores.length / classes; n++) {
    const own = scores.subarray(n * classes, (n + 1) * classes).map((score) => factor * score);
    const most = own.reduce((a, b) => Math.max(a, b));
    const label = targets.subarray(n * classes, (n + 1) * classes).indexOf(1);
    sum += most + Math.log(own.reduce((all, score) => all + Math.exp(score - most), 0)) - own[label]!;
  }
  return sum;
}

/** Numbers of images, ascending. */
interface DrawnSplit {
  readonly training: Uint32Array;
  readonly test: Uint32Array;
}

/**
 * Draws images of each class for training, and others for the test, as for Caltech-101 and -256.
 * @param labels of the images
 * @param testPerClass most test images of a class (default: all others)
 * @returns the number of the first class that has too few images instead, if there is one
 */
export function drawSplit(
  labels: Int32Array,
  trainPerClass: number,
  testPerClass: number | undefined,
  seed: number,
): DrawnSplit | number {
  const classes = labels.reduce((most, label) => Math.max(most, label + 1), 0);
  const training: number[] = [];
  const test: number[] = [];
  for (let label = 0; label < classes; label++) {
    const own = [...labels.keys()].filter((image) => labels[image] === label);
    if (own.length <= trainPerClass) return label;
    const order = permutation(own.length, deriveKeys(keyOfSeed(seed), 'transfer', 'split', label));
    const drawn = Array.from(order, (at) => own[at]!);
    training.push(...drawn.slice(0, trainPerClass));
    test.push(...drawn.slice(trainPerClass, testPerClass && trainPerClass + testPerClass));
  }
  return { training: Uint32Array.from(training).sort(), test: Uint32Array.from(test).sort() };
}
