/**
 * The checks that every backend makes before anything runs. A message names the operation, what was expected, what was
 * received, and what to do. Native code behind them rechecks memory safety only.
 */
import { type Layer, type ParameterSpec, parameterSpecs, shapesAlong } from '../core/layer.ts';
import { elementCount, formatShape, type Shape4, sameShape } from '../core/shape.ts';
import type { LabeledInput, ParameterField, SgdStep, TrainingInput } from './backend.ts';

/**
 * Checks a chain against its input shape and parameters.
 * @returns the shapes along the chain: the input's, then each layer's output.
 * @throws RangeError for an impossible layer, shapes that do not fit, or a missing tensor.
 */
export function checkChain(
  operation: string,
  layers: readonly Layer[],
  inputShape: Shape4,
  specs: readonly ParameterSpec[],
): Shape4[] {
  if (layers.length === 0) throw new RangeError(`${operation}: a chain needs at least one layer`);
  if (inputShape.length !== 4 || inputShape.some((extent) => !Number.isInteger(extent) || extent < 1)) {
    throw new RangeError(
      `${operation}: the input shape must be four whole numbers from 1 up (batch, channels, height, width), not ${formatShape(inputShape)}`,
    );
  }
  for (const layer of layers) checkLayer(operation, layer);
  for (const wanted of parameterSpecs(layers)) checkTensorFits(operation, wanted, specs);
  return shapesAlong(layers, inputShape);
}

function checkLayer(operation: string, layer: Layer): void {
  const refuse = (expected: string, received: number): never => {
    throw new RangeError(`${operation}: ${layer.name} needs ${expected}, not ${received}`);
  };
  switch (layer.kind) {
    case 'convolution':
      if (!isCount(layer.kernel)) refuse('a kernel size from 1 up', layer.kernel);
      if (!isCount(layer.inChannels)) refuse('input channels from 1 up', layer.inChannels);
      if (!isCount(layer.outChannels)) refuse('output channels from 1 up', layer.outChannels);
      if (!Number.isInteger(layer.padding) || layer.padding < 0) refuse('padding from 0 up', layer.padding);
      break;
    case 'lrn':
      if (!isCount(layer.size) || layer.size % 2 === 0) refuse('an odd number of channels', layer.size);
      if (!(layer.k > 0)) refuse('k above 0', layer.k);
      break;
    case 'dropout':
      if (!(layer.rate >= 0 && layer.rate < 1)) refuse('a rate from 0 up to, not including, 1', layer.rate);
      break;
    default:
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

function checkTensorFits(operation: string, wanted: ParameterSpec, specs: readonly ParameterSpec[]): void {
  const found = specs.find(({ name }) => name === wanted.name);
  if (!found) {
    throw new RangeError(
      `${operation}: the parameters have no ${wanted.name} ${formatShape(wanted.shape)}; create them from the chain's parameterSpecs`,
    );
  }
  if (!sameShape(found.shape, wanted.shape)) {
    throw new RangeError(
      `${operation}: ${wanted.name} should be ${formatShape(wanted.shape)}, but the parameters hold ${formatShape(found.shape)}`,
    );
  }
}

/** @throws RangeError when two tensors have the same name, or a shape is impossible. */
export function checkSpecs(specs: readonly ParameterSpec[]): void {
  const names = new Set<string>();
  for (const { name, shape } of specs) {
    if (names.has(name)) throw new RangeError(`createParameters: two tensors are named ${name}`);
    if (!shape.every(isCount)) {
      throw new RangeError(`createParameters: ${name} has the impossible shape ${formatShape(shape)}`);
    }
    names.add(name);
  }
}

/**
 * Looks up a tensor for `read` or `write`.
 * @throws RangeError for an unknown name, or a field that the parameters do not have.
 */
export function findSpec(
  operation: string,
  parameters: { readonly specs: readonly ParameterSpec[]; readonly training: boolean },
  field: ParameterField,
  name: string,
): ParameterSpec {
  if (field !== 'values' && !parameters.training) {
    throw new RangeError(
      `${operation}: these parameters have no ${field}; create them with { training: true }`,
    );
  }
  const spec = parameters.specs.find((candidate) => candidate.name === name);
  if (!spec) {
    const names = parameters.specs.map((candidate) => candidate.name).join(', ');
    throw new RangeError(`${operation}: no tensor is named ${name}; the names are ${names || '(none)'}`);
  }
  return spec;
}

/** @throws RangeError when `data` has another length than the tensor. */
export function checkTensorData(operation: string, spec: ParameterSpec, data: Float32Array): void {
  if (data.length === elementCount(spec.shape)) return;
  throw new RangeError(
    `${operation}: ${spec.name} ${formatShape(spec.shape)} has ${elementCount(spec.shape)} values, not ${data.length}`,
  );
}

/**
 * Checks a program's input.
 * @returns the number of images, n.
 * @throws RangeError unless `input` is `[n, C, H, W]` with 1 ≤ n ≤ N.
 */
export function checkImages(operation: string, inputShape: Shape4, input: Float32Array): number {
  const [batch, ...image] = inputShape;
  const images = input.length / elementCount(image);
  if (Number.isInteger(images) && images >= 1 && images <= batch) return images;
  throw new RangeError(
    `${operation}: the input must be 1 to ${batch} whole images of ${formatShape(image)}, ${elementCount(image)} values each, not ${input.length} values; split a larger batch over several calls`,
  );
}

/**
 * Checks the input of a training pass.
 * @returns the number of images, n.
 * @throws RangeError unless the images fit and the dropout keys, if any, are `[n, 2]`.
 */
export function checkTrainingInput(operation: string, inputShape: Shape4, batch: TrainingInput): number {
  const images = checkImages(operation, inputShape, batch.input);
  const { dropoutKeys } = batch;
  if (dropoutKeys && dropoutKeys.length !== 2 * images) {
    throw new RangeError(
      `${operation}: ${images} images need ${2 * images} words of dropout keys, two each, not ${dropoutKeys.length}`,
    );
  }
  return images;
}

/**
 * Checks a labeled micro-batch.
 * @returns the number of images, n.
 * @throws RangeError unless everything fits, the chain ends in one vector of scores per image, and each label is one
 * of its classes.
 */
export function checkLabeledInput(
  operation: string,
  { inputShape, outputShape }: { readonly inputShape: Shape4; readonly outputShape: Shape4 },
  batch: LabeledInput,
  gradientScale: number,
): number {
  const images = checkTrainingInput(operation, inputShape, batch);
  const [, classes, height, width] = outputShape;
  if (height !== 1 || width !== 1) {
    throw new RangeError(
      `${operation}: the loss needs one vector of scores per image, but the chain computes a map of ${height}×${width}; use crops of the network's crop size`,
    );
  }
  if (batch.labels.length !== images) {
    throw new RangeError(`${operation}: ${images} images need ${images} labels, not ${batch.labels.length}`);
  }
  batch.labels.forEach((label, image) => {
    if (label >= 0 && label < classes) return;
    throw new RangeError(
      `${operation}: image ${image} of the batch has label ${label}, but labels are from 0 to ${classes - 1}; compare the data's classes with the network's`,
    );
  });
  checkFinite(operation, { gradientScale });
  return images;
}

/** @throws RangeError unless `outputGradient` is `[n, C', H', W']`. */
export function checkOutputGradient(
  operation: string,
  outputShape: Shape4,
  images: number,
  outputGradient: Float32Array,
): void {
  const expected = [images, outputShape[1], outputShape[2], outputShape[3]];
  if (outputGradient.length === elementCount(expected)) return;
  throw new RangeError(
    `${operation}: the output's gradient must be ${formatShape(expected)}, ${elementCount(expected)} values, not ${outputGradient.length}; it has as many images as the input and the shape of the output`,
  );
}

/** @throws RangeError unless every number of the step is finite. */
export function checkSgdStep({ learningRate, momentum, weightDecay, biasDecay }: SgdStep): void {
  checkFinite('update', { learningRate, momentum, weightDecay, biasDecay });
}

function checkFinite(operation: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value))
      throw new RangeError(`${operation}: ${name} must be a finite number, not ${value}`);
  }
}

/** @throws RangeError unless parameters have gradients and velocities. */
export function checkTraining(operation: string, { training }: { readonly training: boolean }): void {
  if (training) return;
  throw new RangeError(
    `${operation}: these parameters have no gradients; create them with { training: true }`,
  );
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
