import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Layer } from '../../../src/core/layer.ts';
import { layerCosts } from '../../../src/net/cost.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { growReceptiveField, ONE_PIXEL } from '../../../src/net/receptive-field.ts';

function convolution(kernel: number): Layer {
  return { kind: 'convolution', name: 'conv', kernel, padding: 0, inChannels: 1, outChannels: 1 };
}

function sideOf(...layers: Layer[]): number {
  return layers.reduce(growReceptiveField, ONE_PIXEL).side;
}

describe('receptive fields', () => {
  it('two 3×3 layers see 5×5, three see 7×7 (section 2.3)', () => {
    assert.equal(sideOf(convolution(3), convolution(3)), 5);
    assert.equal(sideOf(convolution(5)), 5);
    assert.equal(sideOf(convolution(3), convolution(3), convolution(3)), 7);
    assert.equal(sideOf(convolution(7)), 7);
  });

  it('of VGG-16: 196 at conv5_3, 212 at pool5, 404 at fc6', () => {
    const costs = layerCosts(buildNetwork({ configuration: 'D' }));
    const field = (name: string) => costs.find((cost) => cost.name === name)!.receptiveField;
    assert.deepEqual(field('conv1_2'), { side: 5, stride: 1 });
    assert.deepEqual(field('pool1'), { side: 6, stride: 2 });
    assert.deepEqual(field('conv5_3'), { side: 196, stride: 16 });
    assert.deepEqual(field('relu5_3'), { side: 196, stride: 16 });
    assert.deepEqual(field('pool5'), { side: 212, stride: 32 });
    assert.deepEqual(field('fc6'), { side: 404, stride: 32 });
    assert.deepEqual(field('fc8'), { side: 404, stride: 32 });
  });

  it('of B and its shallow variant are the same after each block (section 4.1)', () => {
    const [deep, shallow] = (['B', 'B-5x5'] as const).map((configuration) =>
      layerCosts(buildNetwork({ configuration }))
        .filter(({ kind }) => kind === 'maxPool')
        .map(({ receptiveField }) => receptiveField),
    );
    assert.deepEqual(deep, shallow);
  });

  it('are the inputs that an output depends on: the definition, on a chain of one channel', () => {
    const chain: Layer[] = [
      convolution(3),
      { kind: 'maxPool', name: 'pool', rounding: 'floor' },
      convolution(5),
      { kind: 'maxPool', name: 'pool', rounding: 'floor' },
      convolution(2),
    ];
    const { side, stride } = chain.reduce(growReceptiveField, ONE_PIXEL);
    // Along one axis, the inputs that output 0 and output 1 see.
    const seen = (output: number) => {
      let from = output;
      let to = output;
      for (const layer of chain.toReversed()) {
        if (layer.kind === 'maxPool') [from, to] = [2 * from, 2 * to + 1];
        else if (layer.kind === 'convolution') to += layer.kernel - 1;
      }
      return { from, to };
    };
    assert.equal(seen(0).to - seen(0).from + 1, side);
    assert.equal(seen(1).from - seen(0).from, stride);
  });
});
