/** The result of a benchmark: src/api measures it, benchmark-tables.ts formats it. */
import type { LayerOverlap } from '../train/exchange-overlap.ts';

export type BenchmarkMode = 'infer' | 'train';

/** Speeds count the multiplications and additions of direct convolution, whatever the algorithm computes. */
export interface Benchmark {
  readonly configuration: string;
  readonly batch: number;
  readonly crop: number;
  readonly width: number;
  readonly mode: BenchmarkMode;
  readonly backend: string;
  readonly threads: number;
  readonly precision: string;
  readonly engine: string;
  /** Time of the fastest run, which other work disturbed least. */
  readonly msPerImage: number;
  readonly medianMsPerImage: number;
  readonly runs: number;
  readonly gflops: number;
  /** Rate of multiplications and additions in registers on these threads, if it can be measured. */
  readonly peakGflops?: number;
  /** Above 1 if an algorithm saves operations. */
  readonly shareOfPeak?: number;
  /** The process's peak resident memory, according to the operating system. */
  readonly peakMemoryBytes: number;
  /** Memory of the program and of the parameters, on the CPU or GPU that computes. */
  readonly programBytes: number;
  readonly parameterBytes: number;
  /** Passes of layers, each with its shortest time in any run; empty if the backend cannot time layers. */
  readonly layers: readonly BenchmarkRow[];
  /** If several ranks or GPUs train; all other fields are the first rank's. */
  readonly exchange?: ExchangeReport;
}

/** The exchange of gradients in one step. */
export interface ExchangeReport {
  readonly ranks: number;
  /** GPUs that share the first rank's batch; 1 without any. */
  readonly devices: number;
  /** Time from sending the first gradients to receiving the last sums, and the part that the backward pass does not hide. */
  readonly seconds: number;
  readonly exposedSeconds: number;
  readonly layers: readonly LayerOverlap[];
}

/** One pass of one layer, the update, or the rest. Layers fused with a layer count as part of it. */
export interface BenchmarkRow {
  readonly name: string;
  readonly pass: string;
  readonly algorithm: string;
  readonly msPerImage: number;
  /** 0 for layers other than convolutions. */
  readonly gflops: number;
  readonly shareOfPeak?: number;
  readonly shareOfTime: number;
}
