import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { classNumbers, matchClasses, reorder } from '../../../../src/evaluate/inference/class-matching.ts';

const model = (path: string, ...classes: string[]) => ({ path, classes });

describe('classes', () => {
  it('are matched by name and not by position', () => {
    const numbers = matchClasses(model('d', 'cat', 'dog', 'owl'), model('e', 'owl', 'cat', 'dog'));
    assert.deepEqual([...numbers], [1, 2, 0]);
    assert.deepEqual([...reorder(Float64Array.of(0.5, 0.3, 0.2), numbers)], [0.3, 0.2, 0.5]);
  });

  it('that differ are refused, by name', () => {
    const match = () => matchClasses(model('d', 'cat', 'dog', 'owl'), model('e', 'cat', 'emu', 'dog'));
    assert.throws(
      match,
      /these models have different classes: only d has owl, only e has emu; average models/,
    );
    assert.throws(() => matchClasses(model('d', 'a', 'b'), model('e', 'a', 'b', 'c')), /: only e has c;/);
  });

  it('match after Unicode normalization; look-alikes are shown by their code points', () => {
    const [nfc, nfd] = ['caf\u00e9', 'cafe\u0301'];
    assert.deepEqual([...matchClasses(model('d', 'bar', nfc), model('e', nfd, 'bar'))], [1, 0]);
    assert.deepEqual([...classNumbers(model('photos', nfd), model('m', 'bar', nfc))], [1]);
    assert.throws(
      () => classNumbers(model('photos', 'Bar\u00a0'), model('m', 'bar', nfc)),
      /class "Bar\u00a0", which m does not have; "Bar\u00a0" has U\+0042 where "bar" has U\+0062; rename one/,
    );
    assert.throws(
      () => matchClasses(model('d', 'b\u0430r', nfc), model('e', 'bar', nfc)),
      /only e has bar, "b\u0430r" has U\+0430 where "bar" has U\+0061;/,
    );
  });

  it('that are the numbers of all classes of a model are its class numbers, whatever their order', () => {
    const named = model('m', 'cat', 'dog', 'owl');
    assert.deepEqual([...classNumbers(model('v2', '0', '2', '1'), named)], [0, 2, 1]);
    assert.deepEqual([...classNumbers(model('v2', '0', '1', '2'), model('m', '2', '1', '0'))], [2, 1, 0]);
    for (const numbers of [
      ['1', '2', '3'],
      ['0', '1'],
      ['0', '1', '2', '3'],
      ['00', '01', '02'],
    ]) {
      assert.throws(
        () => classNumbers(model('photos', ...numbers), named),
        /which m does not have; its classes are cat, dog, owl; only the numbers 0 to 2, all of them, are read as/,
      );
    }
    assert.throws(
      () => classNumbers(model('photos', '0', '1'), model('m', '1', 'x')),
      /class "0", which m does/,
    );
  });

  it('of the data are found in the model, which may have more', () => {
    const numbers = classNumbers(model('photos', 'owl', 'cat'), model('m', 'cat', 'dog', 'owl'));
    assert.deepEqual([...numbers], [2, 0]);
    const unknown = /photos has images of the class "yak", which m does not have; its classes are cat, dog/;
    assert.throws(() => classNumbers(model('photos', 'yak'), model('m', 'cat', 'dog')), unknown);
  });
});
