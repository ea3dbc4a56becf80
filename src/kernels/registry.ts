import { UsageError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import { createNativeBackend, type KernelChoice, type Precision } from './native/native-backend.ts';
import { createReferenceBackend } from './reference/reference-backend.ts';

export const backendNames = ['onednn', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];

export interface BackendOptions {
  /** Default: the machine's cores. */
  readonly threads?: number;
  /** Of the backend `onednn`: whose kernels run the 3×3 convolutions. Default: our own. */
  readonly kernels?: KernelChoice;
  /** Of the backend `onednn`: what inference multiplies. Default: fp32. */
  readonly precision?: Precision;
}

/**
 * Picks an implementation by name.
 * @throws UserError where the native addon or the library under it is missing, with what to install.
 */
export function createBackend(name: BackendName = 'onednn', options: BackendOptions = {}): Backend {
  switch (name) {
    case 'onednn':
      return createNativeBackend(options);
    case 'reference':
      if (options.precision === 'bf16') {
        throw new UsageError(
          'precision bf16 is for the backend onednn: leave either it or the reference out',
        );
      }
      return createReferenceBackend();
    default:
      throw new UsageError(`there is no backend "${name}"; choose one of ${backendNames.join(', ')}`);
  }
}
