/**
 * Greedy merging of boxes, after OverFeat (Sermanet et al. 2014, section 4.3): the two boxes that match best become their
 * mean, until no two match well enough. A merged box's score is the sum of its members'. OverFeat's match score adds a
 * distance and an area without saying in which units; here it is the intersection over union.
 */
import { type Box, overlapOf } from '../../core/boxes.ts';

export interface ScoredBox {
  readonly box: Box;
  /** Class score of the position that predicted it; of a merged box the sum. */
  readonly score: number;
  /** Number of boxes that it is the mean of (default: 1). */
  readonly members?: number;
}

/** Boxes that overlap less are of different objects. */
export const LEAST_MATCH = 0.5;

/**
 * @param least the smallest intersection over union of two boxes that are merged
 * @returns the merged boxes, the one with the highest score first
 */
export function mergeBoxes(boxes: readonly ScoredBox[], least = LEAST_MATCH): ScoredBox[] {
  const left = [...boxes];
  const matches = left.map((a, i) => left.map((b, j) => (j < i ? overlapOf(a.box, b.box) : -1)));
  for (;;) {
    const [first, second] = bestPair(matches, least);
    if (first < 0) break;
    left[first] = meanBox(left[first]!, left[second]!);
    left.splice(second, 1);
    matches.splice(second, 1);
    for (const row of matches) row.splice(second, 1);
    // The merged box has the smaller number, so that its overlaps are in its row and its column.
    for (const [i, { box }] of left.entries()) {
      const overlap = overlapOf(left[first]!.box, box);
      if (i < first) matches[first]![i] = overlap;
      if (i > first) matches[i]![first] = overlap;
    }
  }
  return left.sort((a, b) => b.score - a.score);
}

/** Of equal pairs the first. @returns [−1, −1] if no two boxes match */
function bestPair(matches: readonly (readonly number[])[], least: number): [first: number, second: number] {
  let best = -1;
  let pair: [number, number] = [-1, -1];
  for (const [i, row] of matches.entries()) {
    for (let j = 0; j < i; j++) {
      if (row[j]! < least || row[j]! <= best) continue;
      best = row[j]!;
      pair = [j, i];
    }
  }
  return pair;
}

function meanBox(a: ScoredBox, b: ScoredBox): ScoredBox {
  const [m, n] = [a.members ?? 1, b.members ?? 1];
  const mean = (edge: keyof Box) => (m * a.box[edge] + n * b.box[edge]) / (m + n);
  return {
    box: { left: mean('left'), top: mean('top'), right: mean('right'), bottom: mean('bottom') },
    score: a.score + b.score,
    members: m + n,
  };
}
