/** What files of PyTorch list of their computations, beside their tensors. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { scriptOperations } from '../../../src/weights/formats/pytorch/script-operations.ts';
import { factsOfOperations, type Operation } from '../../../src/weights/import/stated-operations.ts';

const KERNELS = new Set([3]);

/** The facts in the code of a program's own forward method. */
function factsOf(code: string, inputSide?: number, given = {}) {
  const lines = code.split('\n').map((line) => `    ${line}`);
  const text = [
    'class Net(Module):',
    '  def forward(self: __torch__.Net,',
    '    x: Tensor) -> Tensor:',
    ...lines,
  ];
  const list = scriptOperations(new Map([['__torch__.py', text.join('\n')]]));
  return factsOfOperations('m.pt', { list, areAll: true, inputSide }, KERNELS, given);
}

describe('poolings before the classifier in TorchScript', () => {
  const cases: Readonly<Record<string, [code: string, expected: string]>> = {
    'a nested call': [
      '_0 = torch.flatten(torch.adaptive_avg_pool2d((features).forward(x, ), [1, 1]), 1)',
      'average 1',
    ],
    'a function of Python': [
      '_0 = __torch__.torch.nn.functional.adaptive_avg_pool2d\nreturn _0(x, [3, 3], )',
      'average 3',
    ],
    'a mean over negative axes': ['return torch.mean(x, [-1, -2])', 'average 1'],
    'a mean with its axes kept': ['return torch.mean(x, [2, 3], True)', 'average 1'],
    'a maximum': ['return torch.amax(x, [2, 3])', 'max 1'],
    'a maximum by a function of Python': [
      '_0 = __torch__.torch.nn.functional._adaptive_max_pool2d(x, [1, 1], )',
      'max 1',
    ],
    'average pooling of single values': ['return torch.avg_pool2d(x, [1, 1], [1, 1])', 'none'],
    'none at all': ['_0 = torch.size(x, 0)\nreturn torch.view(x, [_0, -1])', 'none'],
  };
  for (const [name, [code, expected]] of Object.entries(cases)) {
    test(name, () => {
      const { headPool } = factsOf(code);
      assert.equal(typeof headPool === 'object' ? `${headPool.method} ${headPool.side}` : headPool, expected);
    });
  }

  test('a window that tiles the map of a fixed input', () => {
    assert.deepEqual(factsOf('return torch.avg_pool2d(x, [7, 7])', 224).headPool, {
      method: 'average',
      side: 1,
    });
  });

  test('pooling to 7×7 is not stated at the usual size, where it changes nothing', () => {
    const code = 'return torch.adaptive_avg_pool2d(x, [7, 7])';
    assert.equal(factsOf(code).headPool, undefined);
    assert.deepEqual(factsOf(code, 96).headPool, { method: 'average', side: 7 });
  });

  for (const [name, code] of Object.entries({
    'windows of unknown number': 'return torch.avg_pool2d(x, [7, 7])',
    'sides that differ': 'return torch.adaptive_avg_pool2d(x, [1, 2])',
    'maxima of several windows': 'return torch.adaptive_max_pool2d(x, [2, 2])',
    'a mean over channels': 'return torch.mean(x, [1])',
    'two poolings': 'return torch.amax(torch.adaptive_avg_pool2d(x, [2, 2]), [2, 3])',
  })) {
    test(`${name}: refused unless the user states the pooling`, () => {
      assert.throws(() => factsOf(code), /does not determine the pooling.*--head-pool and --crop/);
      factsOf(code, undefined, { headPool: 'none' });
      factsOf(code, undefined, { featuresOnly: true });
    });
  }
});

describe('other computations', () => {
  test('epsilon and rounding are taken from the program', () => {
    const code = [
      '_0 = torch.batch_norm(x, weight, bias, running_mean, running_var, False, 0.1, 0.001, True)',
      '_1 = torch.max_pool2d(_0, [2, 2], [2, 2], [0, 0], [1, 1], True)',
    ];
    const { epsilon, pooling } = factsOf(code.join('\n'));
    assert.deepEqual({ epsilon, pooling }, { epsilon: 0.001, pooling: 'ceil' });
  });

  for (const [code, message] of [
    ['return torch.leaky_relu_(x, 0.1)', /m\.pt is not a network of Table 1: it computes leaky_relu$/],
    ['return __torch__.torch.nn.functional.elu(x, 1., False, )', /it computes elu$/],
    ['return ops.quantized.conv2d_relu(x, w, 1., 0)', /ops\.quantized\.conv2d_relu/],
    ['_0 = torch.div(x, 255.)', /computes div outside its layers.*--mean, --std and --pixel-scale/],
    ['_0 = torch.max_pool2d(x, [3, 3], [2, 2])', /pools 3×3 with stride 2/],
    ['_0 = torch.conv2d(x, weight, bias, [2, 2], [1, 1])', /convolution with stride 2/],
    ['_0 = torch.conv2d(x, weight, bias, [1, 1], [0, 0])', /padding 0/],
    ['_0 = torch.conv2d(x, weight, bias, [1, 1], [1, 1], [1, 1], 32)', /32 groups/],
  ] as const) {
    test(`${code} is refused by name`, () => {
      assert.throws(() => factsOf(code), message);
    });
  }

  test('arithmetic of sizes and counts of batches is none of the network', () => {
    factsOf('_0 = torch.size(x, 1)\n_1 = torch.mul(_0, torch.size(x, 2))\nreturn torch.view(x, [-1, _1])');
    const layer = 'num_batches_tracked = self.num_batches_tracked\n_2 = torch.add_(num_batches_tracked, 1)';
    const list: Operation[] = scriptOperations(new Map([['__torch__/torch/nn/modules/batchnorm.py', layer]]));
    assert.deepEqual(list, []);
  });
});
