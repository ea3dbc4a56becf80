import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultCacheFolder } from '../../../src/core/cache.ts';

describe('defaultCacheFolder', () => {
  it('follows XDG_CACHE_HOME when that is absolute', (t) => {
    const before = process.env.XDG_CACHE_HOME;
    t.after(() => {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
    });
    process.env.XDG_CACHE_HOME = '/somewhere';
    assert.equal(defaultCacheFolder(), '/somewhere/verydeep');
    process.env.XDG_CACHE_HOME = 'relative';
    assert.match(defaultCacheFolder()!, /(?:\.cache|Library\/Caches)\/verydeep$/);
  });
});
