/** What a benchmark tells, measured by src/api and drawn by benchmark-tables.ts. */
import type { LayerOverlap } from '../train/exchange-overlap.ts';

export type BenchmarkMode = 'infer' | 'train';

/** Speeds count a product and a sum of direct convolution as two operations, whatever the algorithm really does. */
export interface Benchmark {
  readonly configuration: string;
  readonly batch: number;
  readonly crop: number;
  readonly width: number;
  readonly mode: BenchmarkMode;
  readonly backend: string;
  readonly threads: number;
  /** Whose kernels run the 3×3 convolutions, where there is a choice. */
  readonly kernels?: string;
  readonly precision: string;
  readonly engine: string;
  /** Of the fastest run, which a busy machine disturbed least. */
  readonly msPerImage: number;
  readonly medianMsPerImage: number;
  readonly runs: number;
  readonly gflops: number;
  /** What a loop of multiplications and additions in registers reaches on these threads, where it can be measured. */
  readonly peakGflops?: number;
  /** Above 1 where an algorithm saves operations. */
  readonly shareOfPeak?: number;
  /** The largest memory that the process ever had, by the kernel's account. */
  readonly peakMemoryBytes: number;
  /** What was planned for the program and for the parameters, in the memory of whatever does the arithmetic. */
  readonly programBytes: number;
  readonly parameterBytes: number;
  /** Each with the least time that it took in any run; none where the backend has no clock for layers. */
  readonly layers: readonly BenchmarkRow[];
  /** Of several ranks that train; everything else is the first one's. */
  readonly exchange?: ExchangeReport;
}

/** The exchange of gradients in one step. */
export interface ExchangeReport {
  readonly ranks: number;
  /** From the first gradients on their way to the last one's arrival, and the part that the backward pass did not hide. */
  readonly seconds: number;
  readonly exposedSeconds: number;
  readonly layers: readonly LayerOverlap[];
}

/** One pass of one layer, or the update, or the rest; what is fused with a layer counts as its own. */
export interface BenchmarkRow {
  readonly name: string;
  readonly pass: string;
  readonly algorithm: string;
  readonly msPerImage: number;
  /** 0 where it is not what the layer is for. */
  readonly gflops: number;
  readonly shareOfPeak?: number;
  readonly shareOfTime: number;
}
