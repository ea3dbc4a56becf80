/** Runs that can be told apart in one chart: as many as the style sheet has colours. */
export const SERIES = 8;

/** The colour of the run at a place among those shown. */
export function colourOf(place: number): string {
  return `var(--series-${(place % SERIES) + 1})`;
}
