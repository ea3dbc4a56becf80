/** Layers and batch normalizations as PyTorch names their tensors. */
import { UserError } from '../../core/errors.ts';
import type { SourceTensor } from '../tensors/source-tensor.ts';
import { type ForeignLayer, type ForeignNorm, OUTPUTS_FIRST } from './foreign-network.ts';

/** Tensors by name. */
export type Named = ReadonlyMap<string, SourceTensor>;

/** Whether a name is that of a batch normalization. */
export function isNorm(named: Named, name: string): boolean {
  return named.has(`${name}.running_mean`) && named.has(`${name}.running_var`);
}

export function torchLayer(
  path: string,
  named: Named,
  name: string,
  norms: readonly ForeignNorm[],
): ForeignLayer {
  const bias = named.get(`${name}.bias`);
  const weight = named.get(`${name}.weight`);
  if (!weight) throw new UserError(`${path} has no tensor ${name}.weight; copy or download it again`);
  return { name, weight, layout: OUTPUTS_FIRST, norms, bias };
}

export function torchNorm(path: string, named: Named, name: string, epsilon: number): ForeignNorm {
  const need = (part: string): SourceTensor => {
    const tensor = named.get(`${name}.${part}`);
    if (!tensor) throw new UserError(`${path} has no tensor ${name}.${part}; copy or download it again`);
    return tensor;
  };
  const scale = named.get(`${name}.weight`);
  const shift = named.get(`${name}.bias`);
  return {
    name,
    mean: need('running_mean'),
    variance: need('running_var'),
    epsilon,
    scale,
    shift,
  };
}
