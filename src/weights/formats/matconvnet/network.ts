/** The layers of a MatConvNet SimpleNN: structs with `type`, `weights` (before 1.0-beta8 `filters` and `biases`), `pad`, `stride`. */
import { elementCount } from '../../../core/shape.ts';
import type { MatValue } from '../../containers/matlab/mat-file.ts';
import { ChainBuilder } from '../../import/chain-builder.ts';
import { type ForeignNetwork, OUTPUTS_FIRST } from '../../import/foreign-network.ts';
import { bytesOf } from '../../tensors/element-types.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import { stridedTensor } from '../../tensors/strided-tensor.ts';
import { damaged } from '../../weight-errors.ts';
import { type Fields, numbersOf, textOf } from './values.ts';

interface Parameters {
  readonly weight: SourceTensor;
  readonly bias?: SourceTensor;
}

/** The tensors of each convolution. @throws UserError when one has none */
export function parametersIn(path: string, layers: readonly Fields[]): ReadonlyMap<Fields, Parameters> {
  const convolutions = [...layers.entries()].filter(([, layer]) => textOf(layer.get('type')) === 'conv');
  return new Map(
    convolutions.map(([index, layer]) => [layer, parametersOf(path, nameOf(layer, index), layer)]),
  );
}

/** @throws UserError when the layers are not those of a VGG network */
export function networkOf(
  path: string,
  layers: readonly Fields[],
  parameters: ReadonlyMap<Fields, Parameters>,
  remarks: readonly string[],
): ForeignNetwork {
  const builder = new ChainBuilder(path);
  for (const [index, layer] of layers.entries()) {
    const name = nameOf(layer, index);
    const type = textOf(layer.get('type'));
    if (type === 'conv') addConvolution(builder, name, layer, parameters.get(layer)!);
    else if (type === 'relu') builder.relu(name);
    else if (type === 'pool') addPooling(builder, name, layer);
    else if (type !== 'dropout' && type !== 'softmax' && type !== 'softmaxloss') {
      throw builder.refuse(`${name} is a layer of type ${type ?? 'unknown'}`);
    }
  }
  for (const remark of remarks) builder.remark(remark);
  return builder.build({ naming: "MatConvNet's layers" });
}

function nameOf(layer: Fields, index: number): string {
  return textOf(layer.get('name')) || `layer ${index + 1}`;
}

function addConvolution(
  builder: ChainBuilder,
  name: string,
  layer: Fields,
  { weight, bias }: Parameters,
): void {
  const [, , height, width] = weight.shape;
  const [stride, ...strides] = sidesOf(layer.get('stride'), 1);
  const [padding, ...paddings] = sidesOf(layer.get('pad'), 0);
  const [dilation, ...dilations] = sidesOf(layer.get('dilate'), 1);
  const isRegular =
    height === width &&
    strides.every((side) => side === stride) &&
    paddings.every((side) => side === padding) &&
    [dilation, ...dilations].every((side) => side === 1);
  if (!isRegular)
    throw builder.refuse(`${name} is a convolution that differs between its sides or is dilated`);
  builder.layer(
    { name, weight, bias, layout: OUTPUTS_FIRST },
    { kernel: height!, stride: stride!, padding: padding! },
  );
}

/** Zeros added below and to the right of odd sizes are Caffe's rounding up. */
function addPooling(builder: ChainBuilder, name: string, layer: Fields): void {
  if ((textOf(layer.get('method')) ?? 'max') !== 'max') throw builder.refuse(`${name} is an average pooling`);
  const sides = sidesOf(layer.get('pool'), 1);
  const strides = sidesOf(layer.get('stride'), 1);
  const padding = sidesOf(layer.get('pad'), 0);
  const roundsUp = padding.join() === '0,1,0,1';
  const isSquare = [sides, strides].every(([first, ...others]) => others.every((side) => side === first));
  if (!isSquare) throw builder.refuse(`${name} is a pooling that differs between its sides`);
  builder.maxPool(
    name,
    { side: sides[0]!, stride: strides[0]!, padding: roundsUp ? 0 : Math.max(...padding) },
    roundsUp ? 'ceil' : 'floor',
  );
}

/** One number for all sides, or one for each. */
function sidesOf(value: MatValue | undefined, fallback: number): number[] {
  const numbers = numbersOf(value);
  return numbers && numbers.length > 0 ? [...numbers] : [fallback];
}

function parametersOf(path: string, name: string, layer: Fields): Parameters {
  const cell = layer.get('weights');
  const [filters, biases] = cell?.kind === 'cell' ? cell.values : [layer.get('filters'), layer.get('biases')];
  const weight = filters && filtersOf(path, `${name} filters`, filters);
  if (!weight) throw damaged(path, 'MatConvNet', `layer ${name} has no filters`);
  const values = numbersOf(biases);
  const bias = values && values.length > 0 ? vectorOf(path, `${name} biases`, values) : undefined;
  return { weight, bias };
}

/** MATLAB's `[h, w, in, out]` in columns, without trailing ones, as `[out, in, h, w]`. */
function filtersOf(path: string, name: string, value: MatValue): SourceTensor | undefined {
  if (value.kind !== 'array' && value.kind !== 'numbers') return undefined;
  const [height = 1, width = 1, inputs = 1, outputs = 1, ...more] = value.shape;
  if (more.length > 0) throw damaged(path, 'MatConvNet', `${name} have ${value.shape.length} dimensions`);
  const shape = [outputs, inputs, height, width];
  const strides = [height * width * inputs, height * width, 1, height];
  const stored = value.kind === 'array' ? value.stored : undefined;
  if (stored?.type !== undefined) return inMemory(path, name, stored.type, shape, strides, stored.bytes);
  // Numbers that are whole are stored as integers.
  const bytes = () => bytesOf(numbersOf(value)!);
  return inMemory(path, name, 'F32', shape, strides, bytes);
}

function vectorOf(path: string, name: string, values: Float32Array): SourceTensor {
  return inMemory(path, name, 'F32', [values.length], undefined, bytesOf(values));
}

function inMemory(
  path: string,
  name: string,
  type: string,
  shape: readonly number[],
  strides: readonly number[] | undefined,
  given: Uint8Array | (() => Uint8Array),
): SourceTensor {
  return stridedTensor({ path, format: 'MatConvNet', name, type, shape, strides }, async () => {
    const bytes = typeof given === 'function' ? given() : given;
    if (!Number.isSafeInteger(elementCount(shape)))
      throw damaged(path, 'MatConvNet', `${name} are too large`);
    const source = {
      async readInto(position: number, target: Uint8Array) {
        target.set(bytes.subarray(position, position + target.byteLength));
      },
    };
    return { source, position: 0, bytes: bytes.byteLength };
  });
}
