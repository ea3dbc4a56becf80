/** Follows an ONNX graph node by node from its input, as long as it is the chain of a VGG network. */
import { ChainBuilder } from '../../import/chain-builder.ts';
import { type ForeignNetwork, OUTPUTS_FIRST, type WeightLayout } from '../../import/foreign-network.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';

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
  /** Inputs that are not initializers. */
  readonly inputs: readonly string[];
}

/** ONNX's default for BatchNormalization. */
const EPSILON = 1e-5;

/** @throws UserError naming the first node that a VGG network does not have. */
export function onnxNetwork(path: string, model: OnnxModel): ForeignNetwork {
  const follower = new GraphFollower(path, model);
  follower.run();
  return follower.chain.build({
    naming: model.producer ? `${model.producer}'s names of ONNX tensors` : 'the names of its ONNX tensors',
    remarks: [],
  });
}

/** Operators that do not change a VGG network's values at the crop's size or come after the logits. */
const passing = new Set(
  'Flatten Reshape Dropout Identity Squeeze Softmax LogSoftmax GlobalAveragePool ReduceMean'.split(' '),
);

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
    let tensor = first;
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
        this.chain.bias(name, this.#other(node, name, input));
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

  /** torchvision's adaptive pooling to 7×7 becomes one of 1×1 at the crop's size. */
  #averagePool(node: OnnxNode, name: string): void {
    const side = same(node.attributes.get('kernel_shape')?.ints ?? []);
    if (side !== 1) throw this.chain.refuse(`${name} is an average pooling of ${side}×${side}`);
  }

  #transpose(node: OnnxNode, name: string): void {
    const order = node.attributes.get('perm')?.ints?.join() ?? '';
    if (order === '0,3,1,2') this.#channelsLast = false;
    else if (order === '0,2,3,1') this.#channelsLast = true;
    else throw this.chain.refuse(`${name} transposes by ${order}`);
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
