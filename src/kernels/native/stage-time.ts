export type Pass = 'forward' | 'backward' | 'weight gradient' | 'input gradient';

/** What one layer took in the last run of a program; what is fused with a layer counts as its own. */
export interface StageTime {
  /** Place in the chain that was compiled. */
  readonly layer: number;
  readonly pass: Pass;
  /** How it is done, in the words of whoever does it. */
  readonly algorithm: string;
  readonly seconds: number;
}
