/** What `npm run bench:gpu` measures. */
import type { Budget } from './budget.ts';

interface Sizes {
  /** Display name of the network. */
  readonly name: string;
  /** Flags of `vgg bench` for the network. */
  readonly network: readonly string[];
  /** For PyTorch: channels and kernels, crop, hidden units and classes. */
  readonly torch: readonly string[];
  readonly infer: readonly number[];
  readonly train: readonly number[];
  /** Duration of a measurement. */
  readonly seconds: number;
  /** Flags of `vgg train` for the epoch, and the images in each of the data set's files. */
  readonly epoch: readonly string[];
  readonly images: number;
  /** Compiled test files, by the beginning of their path below test/. */
  readonly suites: readonly string[];
  /** The same for the tests of this backend alone. */
  readonly ownSuites: readonly string[];
}

export interface Settings extends Sizes {
  /** `--gpus` for one GPU. */
  readonly gpu: string;
  /** Number of GPUs in this machine. */
  readonly gpus: number;
  /** A CIFAR-10 folder (default: noise of its size). */
  readonly cifar?: string;
  /** A temporary folder. */
  readonly work: string;
  readonly budget: Budget;
}

export const largeSizes: Sizes = {
  name: 'D of Table 1 at 224×224',
  network: ['--config', 'D'],
  torch: [
    '64x3,64x3,M,128x3,128x3,M,256x3,256x3,256x3,M,512x3,512x3,512x3,M,512x3,512x3,512x3,M',
    ...['224', '4096', '1000'],
  ],
  infer: [1, 8, 64],
  train: [32, 64],
  seconds: 2,
  epoch: ['--config', 'A', '--batch', '128', '--epochs', '1'],
  images: 10_000,
  suites: ['kernels/conformance-', 'kernels/gradient-check', 'golden/golden'],
  ownSuites: ['kernels/webgpu'],
};

export const smallSizes: Sizes = {
  name: 'A of Table 1 at 32×32 and a tenth of its width, with 10 classes',
  network: ['--config', 'A', '--width', '0.1', '--crop', '32', '--classes', '10'],
  torch: ['6x3,M,13x3,M,26x3,26x3,M,51x3,51x3,M,51x3,51x3,M', '32', '410', '10'],
  infer: [1, 2],
  train: [2],
  seconds: 0.1,
  epoch: ['--config', 'A', '--width', '0.05', '--batch', '10', '--epochs', '1'],
  images: 10,
  suites: ['kernels/conformance-sgd'],
  ownSuites: ['kernels/gpu-choice'],
};
