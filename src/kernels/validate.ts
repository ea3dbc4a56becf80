/**
 * The checks that every backend makes before anything runs. A message names the operation, what was expected, what was
 * received, and what to do. Native code rechecks only memory safety.
 */
import { type Layer, type ParameterSpec, parameterSpecs, shapesAlong } from '../core/layer.ts';
import { elementCount, formatShape, type Shape4, sameShape } from '../core/shape.ts';
import type {
  LabeledInput,
  ParameterField,
  ParameterOptions,
  Parameters,
  SgdStep,
  TrainingInput,
} from './backend.ts';

/**
 * Checks a chain against its input shape and parameters.
 * @returns the shape of the input, then that of each layer's output.
 * @throws RangeError for an impossible layer, shapes that do not fit, or a missing tensor.
 */
export function checkChain(
  operation: string,
  layers: readonly Layer[],
  inputShape: Shape4,
  specs: readonly ParameterSpec[],
): Shape4[] {
  check(layers.length > 0, operation, 'a chain needs at least one layer');
  check(
    inputShape.length === 4 && inputShape.every(isCount),
    operation,
    `the input shape must be four whole numbers from 1 up (batch, channels, height, width), not ${formatShape(inputShape)}`,
  );
  for (const layer of layers) checkLayer(operation, layer);
  for (const wanted of parameterSpecs(layers)) checkTensorFits(operation, wanted, specs);
  return shapesAlong(layers, inputShape);
}

/**
 * The tensors that get gradients and velocities: all from the first that is not frozen.
 * @throws RangeError unless there is a finite rate from 0 up for each tensor.
 */
export function trainedSpecs(
  specs: readonly ParameterSpec[],
  { training, rates = specs.map(() => 1) }: ParameterOptions,
): readonly ParameterSpec[] {
  const areRates = rates.length === specs.length && rates.every((rate) => rate >= 0 && rate < Infinity);
  check(areRates, 'createParameters', `needs ${specs.length} rates from 0 up, one for each tensor`);
  const first = rates.findIndex((rate) => rate > 0);
  return training && first >= 0 ? specs.slice(first) : [];
}

/** @throws RangeError unless all layers' tensors have gradients. */
export function checkTrained(layers: readonly Layer[], { trained }: Pick<Parameters, 'trained'>): void {
  const frozen = parameterSpecs(layers).find(({ name }) => !trained.some((spec) => spec.name === name));
  check(
    !frozen,
    'compileTraining',
    `${frozen?.name} is frozen; compile its layer in a program for inference`,
  );
}

/** @throws RangeError, naming the operation, unless a condition holds. */
function check(holds: boolean, operation: string, fault: string): void {
  if (!holds) throw new RangeError(`${operation}: ${fault}`);
}

function checkLayer(operation: string, layer: Layer): void {
  const needs = (holds: boolean, expected: string, received: number) =>
    check(holds, operation, `${layer.name} needs ${expected}, not ${received}`);
  if (layer.kind === 'convolution') {
    const { kernel, inChannels, outChannels, padding } = layer;
    needs(isCount(kernel), 'a kernel size from 1 up', kernel);
    needs(isCount(inChannels), 'input channels from 1 up', inChannels);
    needs(isCount(outChannels), 'output channels from 1 up', outChannels);
    needs(Number.isInteger(padding) && padding >= 0, 'padding from 0 up', padding);
  } else if (layer.kind === 'lrn') {
    needs(isCount(layer.size) && layer.size % 2 === 1, 'an odd number of channels', layer.size);
    needs(layer.k > 0, 'k above 0', layer.k);
  } else if (layer.kind === 'adaptivePool') {
    needs(isCount(layer.side), 'a side from 1 up', layer.side);
    needs(layer.method === 'average' || layer.side === 1, 'a side of 1 to pool by the maximum', layer.side);
  } else if (layer.kind === 'dropout') {
    needs(layer.rate >= 0 && layer.rate < 1, 'a rate of at least 0 and below 1', layer.rate);
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

function checkTensorFits(operation: string, wanted: ParameterSpec, specs: readonly ParameterSpec[]): void {
  const found = specs.find(({ name }) => name === wanted.name);
  const [name, shape] = [wanted.name, formatShape(wanted.shape)];
  if (!found) {
    const remedy = "create them from the chain's parameterSpecs";
    throw new RangeError(`${operation}: the parameters have no ${name} ${shape}; ${remedy}`);
  }
  const held = formatShape(found.shape);
  check(
    sameShape(found.shape, wanted.shape),
    operation,
    `${name} should be ${shape}, but the parameters hold ${held}`,
  );
}

/** @throws RangeError when two tensors have the same name, or a shape is impossible. */
export function checkSpecs(specs: readonly ParameterSpec[]): void {
  const names = new Set<string>();
  for (const { name, shape } of specs) {
    check(!names.has(name), 'createParameters', `two tensors are named ${name}`);
    const fault = `${name} has the impossible shape ${formatShape(shape)}`;
    check(shape.every(isCount), 'createParameters', fault);
    names.add(name);
  }
}

/**
 * Looks up a tensor.
 * @throws RangeError for an unknown name, or a field that the parameters do not have.
 */
export function findSpec(
  operation: string,
  parameters: Pick<Parameters, 'specs' | 'trained' | 'training'>,
  field: ParameterField,
  name: string,
): ParameterSpec {
  if (field !== 'values') checkTraining(operation, parameters, field);
  const spec = parameters.specs.find((candidate) => candidate.name === name);
  if (spec && field !== 'values') {
    check(parameters.trained.includes(spec), operation, `${name} is frozen and has no ${field}`);
  }
  if (!spec) {
    const names = parameters.specs.map((candidate) => candidate.name).join(', ');
    throw new RangeError(`${operation}: no tensor is named ${name}; the names are ${names || '(none)'}`);
  }
  return spec;
}

/** @throws RangeError when the length of `data` is not the tensor's. */
export function checkTensorData(operation: string, { name, shape }: ParameterSpec, data: Float32Array): void {
  const count = elementCount(shape);
  const fault = `${name} ${formatShape(shape)} has ${count} values, not ${data.length}`;
  check(data.length === count, operation, fault);
}

/** Checks that data from an offset on lie within a tensor. */
export function checkPart(
  operation: string,
  { name, shape }: ParameterSpec,
  data: Float32Array,
  offset: number,
): void {
  const count = elementCount(shape);
  const fault = `${name} ${formatShape(shape)} has ${count} values, not ${data.length} from ${offset} on`;
  check(Number.isInteger(offset) && offset >= 0 && offset + data.length <= count, operation, fault);
}

/** The shapes of a program's full batch. */
interface Shapes {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
}

/**
 * Checks a program's input.
 * @returns the number of images, n.
 * @throws RangeError unless `input` is `[n, C, H, W]` with 1 ≤ n ≤ N.
 */
export function checkForward(inputShape: Shape4, input: Float32Array, operation = 'forward'): number {
  const [batch, ...image] = inputShape;
  const count = elementCount(image);
  const images = input.length / count;
  check(
    Number.isInteger(images) && images >= 1 && images <= batch,
    operation,
    `the input must be 1 to ${batch} whole images of ${formatShape(image)}, ${count} values each, not ${input.length} values; split a larger batch over several calls`,
  );
  return images;
}

/** Like `checkForward`; `batch.dropoutKeys` must also be `[n, 2]`, if present. */
function checkTrainingInput(operation: string, inputShape: Shape4, batch: TrainingInput): number {
  const images = checkForward(inputShape, batch.input, operation);
  const words = batch.dropoutKeys?.length ?? 2 * images;
  const fault = `${images} images need ${2 * images} words of dropout keys, two each, not ${words}`;
  check(words === 2 * images, operation, fault);
  return images;
}

/**
 * Checks the arguments of `accumulate`.
 * @returns the number of images, n.
 * @throws RangeError unless everything fits, the chain ends in one vector of scores per image, and each label is one
 * of its classes.
 */
export function checkAccumulate(
  { inputShape, outputShape }: Shapes,
  batch: LabeledInput,
  gradientScale: number,
): number {
  const operation = 'accumulate';
  const images = checkTrainingInput(operation, inputShape, batch);
  const [, classes, height, width] = outputShape;
  check(
    height === 1 && width === 1,
    operation,
    `the loss needs one vector of scores per image, but the chain computes a map of ${height}×${width}; use crops of the network's crop size`,
  );
  const { labels, targets } = batch;
  check(labels.length === images, operation, `${images} images need ${images} labels, not ${labels.length}`);
  const count = (targets?.length ?? images) / images;
  check(
    isCount(count),
    operation,
    `${images} images need as many targets each, from 1 up, not ${targets?.length} in all`,
  );
  const image = labels.findIndex((label) => label < 0 || (label + 1) * count > classes);
  check(
    image < 0,
    operation,
    `image ${image} of the batch has label ${labels[image]}, but labels are from 0 to ${Math.floor(classes / count) - 1}; compare the data's classes with the network's`,
  );
  checkFinite(operation, { gradientScale });
  const { weights, labelSmoothing = 0 } = batch;
  const words = weights?.length ?? images;
  check(words === images, operation, `${images} images need ${images} weights, not ${words}`);
  const isShare = labelSmoothing >= 0 && labelSmoothing < 1;
  check(isShare, operation, `the label smoothing must be from 0 to below 1, not ${labelSmoothing}`);
  check(!targets || labelSmoothing === 0, operation, 'label smoothing does not apply to a Euclidean loss');
  return images;
}

/**
 * Checks the arguments of `backward`.
 * @returns the number of images, n.
 * @throws RangeError unless everything fits.
 */
export function checkBackward(
  { inputShape, outputShape }: Shapes,
  batch: TrainingInput,
  outputGradient: Float32Array,
): number {
  const images = checkTrainingInput('backward', inputShape, batch);
  const expected = [images, outputShape[1], outputShape[2], outputShape[3]];
  const count = elementCount(expected);
  check(
    outputGradient.length === count,
    'backward',
    `the output's gradient must be ${formatShape(expected)}, ${count} values, not ${outputGradient.length}; it has as many images as the input and the shape of the output`,
  );
  return images;
}

/** @throws RangeError unless every number of the step is finite. */
export function checkSgdStep({ learningRate, momentum, weightDecay, biasDecay }: SgdStep): void {
  checkFinite('update', { learningRate, momentum, weightDecay, biasDecay });
}

function checkFinite(operation: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    check(Number.isFinite(value), operation, `${name} must be a finite number, not ${value}`);
  }
}

/** @throws RangeError unless parameters have gradients and velocities. */
export function checkTraining(
  operation: string,
  { training }: { readonly training: boolean },
  field = 'gradients',
): void {
  check(training, operation, `these parameters have no ${field}; create them with { training: true }`);
}

export function foreignParameters(operation: string): TypeError {
  return new TypeError(`${operation}: these parameters belong to another backend; create them with this one`);
}

/** @throws Error when a program or parameters are used after `dispose`. */
export function checkAlive(operation: string, what: 'program' | 'parameters', disposed: boolean): void {
  if (!disposed) return;
  throw new Error(
    `${operation}: ${what === 'program' ? 'this program was' : 'these parameters were'} disposed of; make new ones`,
  );
}
