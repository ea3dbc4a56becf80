import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byCodePoint, similarClasses } from '../../../src/core/class-names.ts';

describe('class names', () => {
  it('of one set that look alike are noticed, except letters in two cases', () => {
    assert.match(
      similarClasses(['Cat', 'cat', 'dog'])!,
      /look alike: "cat" has U\+0063 where "Cat" has U\+0043/,
    );
    assert.equal(similarClasses(['A', 'a', 'dog', 'fish']), undefined);
  });

  it('are compared by code point', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6 });
    const points = (name: string) => [...name].map((letter) => letter.codePointAt(0)!);
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [x, y] = [points(a), points(b)];
        const at = x.findIndex((point, i) => point !== y[i]);
        const expected = at < 0 ? x.length - y.length : x[at]! - (y[at] ?? -1);
        assert.equal(Math.sign(byCodePoint(a, b)), Math.sign(expected));
      }),
    );
  });
});
