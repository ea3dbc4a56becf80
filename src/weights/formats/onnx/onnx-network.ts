/** Follows an ONNX graph node by node from its input, as long as it is the chain of a VGG network. */

import { formatShape } from '../../../core/shape.ts';
import { ChainBuilder } from '../../import/chain-builder.ts';
import { type ForeignNetwork, OUTPUTS_FIRST, type WeightLayout } from '../../import/foreign-network.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import { dequantize } from './quantized.ts';

export interface OnnxNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface Attribute {
  readonly int?: number;
  readonly float?: number;
  readonly ints?: readonly number[];
  readonly text?: string;
  readonly tensor?: SourceTensor;
}

export interface OnnxModel {
  readonly producer: string;
  readonly nodes: readonly OnnxNode[];
  /** Initializers and constants by name. */
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /** Values of the small ones of integers, which state axes. */
  readonly integers: ReadonlyMap<string, readonly number[]>;
  /** Inputs that are not initializers. */
  readonly inputs: readonly OnnxInput[];
}

export interface OnnxInput {
  readonly name: string;
  /** Undefined where an extent is variable. */
  readonly shape: readonly (number | undefined)[];
}

const QUANTIZED =
  'its quantized weights become float32, and activations are not quantized, so that scores differ slightly';

/** ONNX's default for BatchNormalization. */
const EPSILON = 1e-5;

/** @throws UserError naming the first node that a VGG network does not have. */
export function onnxNetwork(path: string, model: OnnxModel): ForeignNetwork {
  const follower = new GraphFollower(path, model);
  follower.run();
  return follower.chain.build({
    naming: model.producer ? `${model.producer}'s names of ONNX tensors` : 'the names of its ONNX tensors',
  });
}

/** Operators that do not change a VGG network's values or come after the logits. */
const passing = new Set('Flatten Reshape Dropout Identity Squeeze Cast Softmax LogSoftmax'.split(' '));

class GraphFollower {
  readonly chain: ChainBuilder;
  readonly #model: OnnxModel;
  readonly #consumers = new Map<string, OnnxNode[]>();
  /** Whether the current tensor has its channels last. */
  #channelsLast = false;

  constructor(path: string, model: OnnxModel) {
    this.chain = new ChainBuilder(path);
    this.#model = model;
    for (const node of model.nodes) {
      for (const input of new Set(node.inputs)) {
        this.#consumers.set(input, [...(this.#consumers.get(input) ?? []), node]);
      }
    }
  }

  run(): void {
    const [first, ...others] = this.#model.inputs;
    if (first === undefined || others.length > 0) {
      throw this.chain.refuse(`its graph has ${this.#model.inputs.length} inputs instead of one`);
    }
    const [, a, b, c] = first.shape;
    // Channels are first or last.
    if (first.shape.length === 4) this.chain.input(...(a === 3 ? ([b, c] as const) : ([a, b] as const)));
    this.#channelsLast = a !== 3 && c === 3;
    let tensor = first.name;
    // Each node is visited at most once, so the loop ends even if the graph has a cycle.
    const seen = new Set<OnnxNode>();
    for (;;) {
      const node = this.#next(tensor);
      if (!node || seen.has(node)) return;
      seen.add(node);
      this.#add(node, tensor);
      tensor = node.outputs[0] ?? '';
    }
  }

  #next(tensor: string): OnnxNode | undefined {
    // Shape's output is only used to reshape.
    const consumers = (this.#consumers.get(tensor) ?? []).filter(({ op }) => op !== 'Shape');
    if (consumers.length > 1) {
      throw this.chain.refuse(
        `${tensor} branches to ${consumers.map(({ op }) => op).join(' and ')}, but a VGG network is a chain`,
      );
    }
    return consumers[0];
  }

  #add(node: OnnxNode, input: string): void {
    const name = node.name || node.outputs[0] || node.op;
    switch (node.op) {
      case 'Conv':
        this.#convolution(node, name, input);
        break;
      case 'Gemm':
        this.#gemm(node, name, input);
        break;
      case 'MatMul':
        this.#matMul(node, name, input);
        break;
      case 'Add':
        if (this.chain.isEmpty) this.#pixels(node, name, input);
        else this.chain.bias(name, this.#other(node, name, input));
        break;
      case 'Sub':
      case 'Mul':
      case 'Div':
        this.#pixels(node, name, input);
        break;
      case 'QuantizeLinear':
        this.#quantize(node, name);
        break;
      case 'DequantizeLinear':
        break;
      case 'GlobalAveragePool':
      case 'GlobalMaxPool':
        this.chain.headPool(name, { method: node.op === 'GlobalMaxPool' ? 'max' : 'average', side: 1 });
        break;
      case 'ReduceMean':
      case 'ReduceMax':
        this.#reduce(node, name);
        break;
      case 'BatchNormalization':
        this.#batchNorm(node, name);
        break;
      case 'Relu':
        this.chain.relu(name);
        break;
      case 'LRN':
        this.chain.lrn(name);
        break;
      case 'MaxPool':
        this.#maxPool(node, name);
        break;
      case 'Transpose':
        this.#transpose(node, name);
        break;
      case 'AveragePool':
        this.#averagePool(node, name);
        break;
      default:
        if (!passing.has(node.op)) throw this.chain.refuse(`its graph has ${name}, a ${node.op}`);
    }
  }

  #convolution(node: OnnxNode, name: string, input: string): void {
    if (node.inputs[0] !== input) throw this.chain.refuse(`${name} takes its input as a weight`);
    const weight = this.#tensor(node.inputs[1], name);
    const kernel = weight.shape[2] ?? 0;
    const ints = (key: string) => node.attributes.get(key)?.ints;
    const group = node.attributes.get('group')?.int ?? 1;
    const dilation = ints('dilations')?.find((value) => value !== 1) ?? 1;
    if (group !== 1 || dilation !== 1) {
      throw this.chain.refuse(`${name} is a convolution with ${group} groups and dilation ${dilation}`);
    }
    this.chain.layer(
      { name, weight, layout: OUTPUTS_FIRST, bias: this.#bias(node, name) },
      { kernel, padding: this.#padding(node, name, kernel), stride: same(ints('strides') ?? [1, 1]) },
    );
  }

  #bias(node: OnnxNode, name: string): SourceTensor | undefined {
    return node.inputs[2] ? this.#tensor(node.inputs[2], name) : undefined;
  }

  #padding(node: OnnxNode, name: string, kernel: number): number {
    const auto = node.attributes.get('auto_pad')?.text ?? 'NOTSET';
    if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') return (kernel - 1) / 2;
    if (auto === 'VALID') return 0;
    const pads = node.attributes.get('pads')?.ints ?? [0, 0, 0, 0];
    const padding = same(pads);
    if (Number.isNaN(padding)) throw this.chain.refuse(`${name} has unequal padding, ${pads.join(', ')}`);
    return padding;
  }

  #gemm(node: OnnxNode, name: string, input: string): void {
    const number = (key: string) => node.attributes.get(key)?.float ?? 1;
    const flag = (key: string) => node.attributes.get(key)?.int ?? 0;
    if (number('alpha') !== 1 || (node.inputs[2] && number('beta') !== 1) || flag('transA') !== 0) {
      throw this.chain.refuse(`${name} is a Gemm with alpha, beta or transA`);
    }
    if (node.inputs[0] !== input) throw this.chain.refuse(`${name} takes its input as a weight`);
    const weight = this.#tensor(node.inputs[1], name);
    this.chain.layer({
      name,
      weight,
      layout: this.#matrix(flag('transB') === 0),
      bias: this.#bias(node, name),
    });
  }

  #matMul(node: OnnxNode, name: string, input: string): void {
    if (node.inputs[0] !== input) throw this.chain.refuse(`${name} takes its input as a weight`);
    this.chain.layer({ name, weight: this.#tensor(node.inputs[1], name), layout: this.#matrix(true) });
  }

  #matrix(outputsLast: boolean): WeightLayout {
    return { outputsLast, inputs: this.#channelsLast ? 'hwc' : 'chw' };
  }

  #batchNorm(node: OnnxNode, name: string): void {
    const [scale, shift, mean, variance] = [1, 2, 3, 4].map((i) => this.#tensor(node.inputs[i], name)) as [
      SourceTensor,
      SourceTensor,
      SourceTensor,
      SourceTensor,
    ];
    const epsilon = node.attributes.get('epsilon')?.float ?? EPSILON;
    this.chain.norm({ name, scale, shift, mean, variance, epsilon: decimal(epsilon) });
  }

  #maxPool(node: OnnxNode, name: string): void {
    const ints = (key: string, fallback: readonly number[]) =>
      same(node.attributes.get(key)?.ints ?? fallback);
    const rounding = node.attributes.get('ceil_mode')?.int === 1 ? 'ceil' : 'floor';
    const window = {
      side: ints('kernel_shape', []),
      stride: ints('strides', [1]),
      padding: ints('pads', [0]),
    };
    this.chain.maxPool(name, window, rounding);
  }

  /** PyTorch's adaptive pooling, for the size of the graph's input: of 1×1 if it changes nothing. */
  #averagePool(node: OnnxNode, name: string): void {
    const window = same(node.attributes.get('kernel_shape')?.ints ?? []);
    const stride = same(node.attributes.get('strides')?.ints ?? [1]);
    const { mapSide } = this.chain;
    if (window === 1 && stride === 1) return;
    const padded = node.attributes.get('pads')?.ints?.some((pad) => pad !== 0) ?? false;
    const tiles =
      mapSide !== undefined && mapSide % window === 0 && (stride === window || mapSide === window) && !padded;
    if (!tiles) {
      throw this.chain.refuse(
        `${name} is an average pooling of ${window}×${window} of a map of ${mapSide ?? 'unknown'} side; expected windows that tile it`,
      );
    }
    this.chain.headPool(name, { method: 'average', side: mapSide / window });
  }

  /** A mean or maximum over rows and columns is global pooling. */
  #reduce(node: OnnxNode, name: string): void {
    const axes = node.attributes.get('axes')?.ints ?? this.#model.integers.get(node.inputs[1] ?? '');
    const sorted = axes?.map((axis) => (axis + 4) % 4).sort();
    if (sorted?.join() !== (this.#channelsLast ? '1,2' : '2,3')) {
      throw this.chain.refuse(`${name} is a ${node.op} over the axes ${axes?.join(', ') ?? '(all)'}`);
    }
    this.chain.headPool(name, { method: node.op === 'ReduceMax' ? 'max' : 'average', side: 1 });
    this.#channelsLast = false;
  }

  /** Arithmetic with constants before the first convolution. */
  #pixels(node: OnnxNode, name: string, input: string): void {
    if (node.inputs[0] !== input && (node.op === 'Sub' || node.op === 'Div')) {
      throw this.chain.refuse(`${name} is a constant to which a ${node.op} is applied`);
    }
    if (!this.chain.isEmpty) throw this.chain.refuse(`its graph has ${name}, a ${node.op}`);
    const operand = this.#other(node, name, input);
    const extents = operand.shape.filter((extent) => extent !== 1);
    // [3, 1, 1] or [3] belong to channels only where these are the first or the last axis.
    const axis = operand.shape.length - operand.shape.indexOf(3);
    if (
      extents.length > 1 ||
      (extents.length === 1 && (extents[0] !== 3 || axis !== (this.#channelsLast ? 1 : 3)))
    ) {
      throw this.chain.refuse(`${name} changes pixels by ${formatShape(operand.shape)} values`);
    }
    this.chain.pixels({
      kind: 'affine',
      name,
      read: async () => {
        const values: number[] = [];
        await operand.read((part) => {
          for (const value of part) values.push(decimal(value));
        });
        const none = node.op === 'Add' || node.op === 'Sub';
        return {
          factor: none ? [1] : values.map((value) => (node.op === 'Div' ? 1 / value : value)),
          offset: none ? values.map((value) => (node.op === 'Sub' ? -value : value)) : [0],
        };
      },
    });
  }

  #transpose(node: OnnxNode, name: string): void {
    const order = node.attributes.get('perm')?.ints?.join() ?? '';
    if (order === '0,3,1,2') this.#channelsLast = false;
    else if (order === '0,2,3,1') this.#channelsLast = true;
    else throw this.chain.refuse(`${name} transposes by ${order}`);
  }

  /** Quantization whose zero point is the smallest number cuts off what is below 0: tools leave out a ReLU before it. */
  #quantize(node: OnnxNode, name: string): void {
    this.chain.remark(QUANTIZED);
    const [zero] = this.#model.integers.get(node.inputs[2] ?? '') ?? [0];
    const type = this.#model.tensors.get(node.inputs[2] ?? '')?.type ?? 'U8';
    if (zero === (type === 'I8' ? -128 : 0) && !this.chain.isEmpty) this.chain.relu(name);
  }

  /** The output of a DequantizeLinear of a constant. */
  #dequantized(name: string, consumer: string): SourceTensor | undefined {
    const node = this.#model.nodes.find(
      ({ op, outputs }) => op === 'DequantizeLinear' && outputs[0] === name,
    );
    if (!node) return undefined;
    const [values, scale] = [this.#tensor(node.inputs[0], consumer), this.#tensor(node.inputs[1], consumer)];
    const zero = node.inputs[2] ? this.#tensor(node.inputs[2], consumer) : undefined;
    if (node.attributes.get('block_size')?.int)
      throw this.chain.refuse(`${consumer} has weights quantized in blocks`);
    this.chain.remark(QUANTIZED);
    return dequantize(name, values, scale, zero, node.attributes.get('axis')?.int ?? 1);
  }

  /** The operand that is not the node's input in the chain. */
  #other(node: OnnxNode, name: string, input: string): SourceTensor {
    return this.#tensor(
      node.inputs.find((operand) => operand !== input),
      name,
    );
  }

  #tensor(name: string | undefined, node: string): SourceTensor {
    // Identity nodes may rename a tensor.
    for (let at = name, steps = 0; at !== undefined && steps < 8; steps++) {
      const tensor = this.#model.tensors.get(at);
      if (tensor) return tensor;
      const dequantized = this.#dequantized(at, node);
      if (dequantized) return dequantized;
      at = this.#model.nodes.find(({ op, outputs }) => op === 'Identity' && outputs[0] === at)?.inputs[0];
    }
    throw this.chain.refuse(
      `${node} computes its weights (${name ?? 'none'}); export the model with constants folded`,
    );
  }
}

/** The value that all elements share, or NaN. */
function same(values: readonly number[]): number {
  const [first = Number.NaN] = values;
  return values.every((value) => value === first) ? first : Number.NaN;
}

/** 1e-5 as a float32 is not 1e-5; the original is the shortest decimal that gives the same float32. */
function decimal(value: number): number {
  return Number(value.toPrecision(7));
}
