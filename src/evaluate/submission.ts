/** What the ILSVRC evaluation server takes: five class numbers a line, best first, images in file order. */
import type { Outcomes } from './outcomes.ts';

/** @param numbers for each class of the model its number in the development kit (ILSVRC2012_ID) */
export function* submissionLines(
  outcomes: Outcomes,
  numbers: ArrayLike<number>,
): Generator<Buffer, void, undefined> {
  for (const { top } of outcomes) yield Buffer.from(`${top.map(({ index }) => numbers[index]).join(' ')}\n`);
}
