import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hideFolder, hidePaths, hidePathsIn } from '../../../src/core/hide-paths.ts';

describe('hidePaths', () => {
  it('keeps the last part of every path, and URLs', () => {
    for (const [text, hidden] of [
      ['/home/jo smith/photos', 'photos'],
      ['runs/a/best.safetensors', 'best.safetensors'],
      ['../a/one.pth,/srv/b/two.pth', 'one.pth,two.pth'],
      ['config: D\nfrom: /home/jo/x.safetensors\nlr: 0.01\n', 'config: D\nfrom: x.safetensors\nlr: 0.01\n'],
      ['converted from /srv/models/vgg.onnx with ./tool', 'converted from vgg.onnx with tool'],
      ['https://example.org/a/b', 'https://example.org/a/b'],
      ['256..512', '256..512'],
      ['from: torchvision/vgg16', 'from: torchvision/vgg16'],
      ['hf:owner/model', 'hf:owner/model'],
    ] as const) {
      assert.equal(hidePaths(text), hidden);
    }
  });

  it('works on the strings of an object, and on one folder', () => {
    assert.deepEqual(hidePathsIn({ from: 'a/b', batch: 2, flip: true }), { from: 'b', batch: 2, flip: true });
    assert.equal(hideFolder('/srv/photos/cat/1.jpg', '/srv/photos'), 'photos/cat/1.jpg');
  });
});
