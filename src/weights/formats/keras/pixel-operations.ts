/**
 * Operations that Keras records when `preprocess_input` of its applications is called on a model's input: the channels in
 * reverse order, and arithmetic with constants. Keras 3 records a class for each operation, Keras 2 a function of
 * TensorFlow's.
 */
import type { ChainBuilder } from '../../import/chain-builder.ts';
import type { LayerConfig } from './config.ts';

type Operation = 'add' | 'subtract' | 'multiply' | 'divide';

const classes: Readonly<Record<string, Operation>> = {
  Add: 'add',
  Subtract: 'subtract',
  Multiply: 'multiply',
  Divide: 'divide',
  TrueDivide: 'divide',
};

const functions: Readonly<Record<string, Operation>> = {
  'nn.bias_add': 'add',
  'math.add': 'add',
  '__operators__.add': 'add',
  'math.subtract': 'subtract',
  'math.multiply': 'multiply',
  'math.truediv': 'divide',
};

/** Recognizes the operations of one model. */
export class PixelOperations {
  /** Channels that were taken from the image one by one. */
  #taken: number[] = [];

  /** Adds the layer to the network if it is such an operation. @returns whether it is */
  add(chain: ChainBuilder, layer: LayerConfig): boolean {
    const { className, name, settings } = layer;
    if (!chain.isEmpty) return false;
    if (className === 'GetItem') return this.#take(layer);
    if (className === 'Stack') return this.#stack(chain, layer);
    if (className === 'SlicingOpLambda' && /"step":-1\b/.test(JSON.stringify(layer.inbound))) {
      chain.pixels({ kind: 'reverse channels', name });
      return true;
    }
    const operation = className === 'TFOpLambda' ? functions[String(settings.function)] : classes[className];
    const operand = operation && constantIn(layer);
    if (!operand) return false;
    const isSum = operation === 'add' || operation === 'subtract';
    chain.pixels({
      kind: 'affine',
      name,
      read: async () => ({
        factor: isSum ? [1] : operand.map((value) => (operation === 'divide' ? 1 / value : value)),
        offset: isSum ? operand.map((value) => (operation === 'subtract' ? -value : value)) : [0],
      }),
    });
    return true;
  }

  /** x[..., c] */
  #take({ inbound }: LayerConfig): boolean {
    const [, index] = argumentsOf(inbound);
    const channel = Array.isArray(index) ? index.at(-1) : undefined;
    if (typeof channel !== 'number') return false;
    this.#taken.push(channel);
    return true;
  }

  #stack(chain: ChainBuilder, { name, settings }: LayerConfig): boolean {
    const order = this.#taken.join();
    this.#taken = [];
    if (settings.axis !== -1 && settings.axis !== 3) return false;
    if (order === '2,1,0') chain.pixels({ kind: 'reverse channels', name });
    return order === '2,1,0' || order === '0,1,2';
  }
}

/** The second operand, if it is a constant: a number, or a list that may be nested. */
function constantIn({ inbound }: LayerConfig): number[] | undefined {
  const [first, second] = argumentsOf(inbound);
  if (numbersIn(first).length > 0) return undefined;
  const numbers = numbersIn(second).map((value) => Number(value.toPrecision(7)));
  return numbers.length > 0 ? numbers : undefined;
}

/** The operands of an operation: `[{ args, kwargs }]` in Keras 3, `[[name, 0, 0, { y }]]` in Keras 2. */
function argumentsOf(inbound: unknown): unknown[] {
  let node: unknown = inbound;
  while (Array.isArray(node) && typeof node[0] === 'object') node = node[0];
  if (Array.isArray(node)) {
    const { y, bias } = (node[3] ?? {}) as { y?: unknown; bias?: unknown };
    return [node[0], y ?? bias];
  }
  return (node as { args?: unknown[] } | undefined)?.args ?? [];
}

function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (Array.isArray(value)) return value.flatMap(numbersIn);
  const { class_name: className, config } = (value ?? {}) as {
    class_name?: string;
    config?: { value?: unknown };
  };
  return className === '__tensor__' || className === '__numpy__' ? numbersIn(config?.value) : [];
}
