/** What a backend can measure of itself, beyond the wall clock. What it cannot is not there. */
import type { Parameters, Program, TrainingProgram } from './backend.ts';

export interface Instruments {
  /** Resolves when everything that was called has been computed; calls may be answered earlier. */
  finish(): Promise<void>;
  /** Bytes that parameters take where the arithmetic is, with gradients and velocities. */
  parameterBytes(parameters: Parameters): number;
  /** Floating-point operations a second that the threads can do in registers, measured for a moment. */
  readonly peakFlops?: () => Promise<number>;
  readonly stageClock?: StageClock;
}

/** Tells which layer the time of a run goes into. */
export interface StageClock {
  /** Whether a run takes longer when it is watched, so that its whole time says little. */
  readonly disturbs: boolean;
  /**
   * Lets `run` call the program once.
   * @returns what the call went into, in the order of the steps
   */
  watch(program: Program | TrainingProgram, run: () => Promise<unknown>): Promise<readonly StageTime[]>;
}

export type Pass = 'forward' | 'backward' | 'weight gradient' | 'input gradient';

/** What one layer took in a run of a program; what is fused with a layer counts as its own. */
export interface StageTime {
  /** Place in the chain that was compiled. */
  readonly layer: number;
  readonly pass: Pass;
  /** How it is done, in the words of whoever does it. */
  readonly algorithm: string;
  readonly seconds: number;
}
