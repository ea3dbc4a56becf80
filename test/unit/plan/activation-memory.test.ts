import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Layer } from '../../../src/core/layer.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import {
  activationBytes,
  defaultMicroBatch,
  gradientBytes,
  largestLayerBytes,
} from '../../../src/plan/activation-memory.ts';

describe('memory of training', () => {
  const network = buildNetwork({ configuration: 'D' });

  it('an image of D takes about 60 MB of activations', () => {
    // Input; convolutions block by block, in units of 64 × 224² values: 2, 1, 3/4, 3/8, 3/32; pools; fc.
    const unit = 64 * 224 ** 2;
    const convolutions = unit * (2 + 1 + 3 / 4 + 3 / 8 + 3 / 32);
    const pools = unit * (1 / 4 + 1 / 8 + 1 / 16 + 1 / 32 + 1 / 128);
    assert.equal(activationBytes(network), 4 * (3 * 224 ** 2 + convolutions + pools + 2 * 4096 + 1000));
  });

  it('gradients and inference: the largest input and output of a layer', () => {
    assert.equal(gradientBytes(network), 4 * 2 * 64 * 224 ** 2);
    const layers: Layer[] = [
      { kind: 'convolution', name: 'a', kernel: 3, padding: 1, inChannels: 3, outChannels: 8 },
      { kind: 'maxPool', name: 'b', rounding: 'floor' },
    ];
    assert.equal(largestLayerBytes(layers, [2, 3, 4, 6]), 4 * 2 * 4 * 6 * (3 + 8));
  });

  it('a micro-batch is the whole batch, or a power of two that fits', () => {
    const size = defaultMicroBatch(network, 256);
    const bytes = activationBytes(network) + gradientBytes(network);
    assert.ok(Number.isInteger(Math.log2(size)) && size <= 256);
    assert.ok(size * bytes <= 4 * 2 ** 30 && 2 * size * bytes > 4 * 2 ** 30);
    assert.equal(defaultMicroBatch(network, 3), 3);
    assert.equal(defaultMicroBatch(buildNetwork({ configuration: 'A', crop: 32, width: 1 / 16 }), 100), 100);
  });

  it('a micro-batch is larger on several devices, and as small as their buffers need', () => {
    const size = defaultMicroBatch(network, 1024);
    assert.equal(defaultMicroBatch(network, 1024, { devices: 3 }), 3 * size);
    const map = 4 * 224 * 224 * 64;
    assert.equal(defaultMicroBatch(network, 1024, { largestTensor: 5 * map }), 4);
    assert.equal(defaultMicroBatch(network, 1024, { largestTensor: 5 * map, devices: 2 }), 8);
    assert.equal(defaultMicroBatch(network, 1024, { largestTensor: 1 }), 1, 'the backend reports it');
  });
});
