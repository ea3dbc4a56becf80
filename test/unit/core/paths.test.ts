import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withSlashes } from '../../../src/core/paths.ts';

describe('a path with slashes', () => {
  it('has no backslashes on Windows', () => {
    assert.equal(withSlashes('C:\\photos\\cat\\*.jpg', '\\'), 'C:/photos/cat/*.jpg');
  });

  it('keeps backslashes where they belong to names', () => {
    assert.equal(withSlashes('cat\\1.jpg', '/'), 'cat\\1.jpg');
  });
});
