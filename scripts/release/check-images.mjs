/** Loads an image addon and prints what it computes; fails if that differs from the second argument. Without dependencies. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [, , file = '', expected] = process.argv;
const addon = createRequire(import.meta.url)(resolve(file));
// 16×16 pixels in three channels, progressive, written by libjpeg-turbo.
const jpeg = Buffer.from(
  '/9j/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wgARCAAQABADASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAgAB/8QAFAEBAAAAAAAAAAAAAAAAAAAAAP/aAAwDAQACEAMQAAABhrP/xAAYEAADAQEAAAAAAAAAAAAAAAABAhESMf/aAAgBAQABBQIKL0XS2N//xAAVEQEBAAAAAAAAAAAAAAAAAAAAEf/aAAgBAwEBPwGP/8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAgBAgEBPwF//8QAIBAAAQIFBQAAAAAAAAAAAAAAAQACESEx0fASQlGB4f/aAAgBAQAGPwItbQ0h5dB25sjk0DUt7utJMA4Zwv/EABwQAQACAgMBAAAAAAAAAAAAAAEAETHBIZGhsf/aAAgBAQABPyGtxRaOOjDzFKUNLtKvIjCmy8iFRhl0vxP/2gAMAwEAAgADAAAAEHP/xAAVEQEBAAAAAAAAAAAAAAAAAAAAYf/aAAgBAwEBPxCn/8QAFhEAAwAAAAAAAAAAAAAAAAAAAAER/9oACAECAQE/EKz/xAAcEAEAAwEAAwEAAAAAAAAAAAABESExAEFhcYH/2gAIAQEAAT8QMafqxCXAJEWTW+iBykuchamaA1XqhWSCGBp1Bn1nSKwSwummT1Xxff/Z',
  'base64',
);
const { width, height } = addon.jpegHeader(jpeg);
const pixels = addon.decodeJpeg(jpeg, width, height);
const starts = Int32Array.from({ length: 8 }, (_, i) => 2 * i);
const counts = new Int32Array(8).fill(2);
const weights = new Int32Array(16).fill(1 << 21);
const taps = [starts, counts, weights];
const small = addon.resample(pixels, width, height, taps, taps, 0, 0, 8, 8);
const found = createHash('sha256').update(pixels).update(small).digest('hex');
process.stdout.write(`${found}\n`);
if (expected !== undefined && found !== expected) {
  process.stderr.write(`expected ${expected}\n`);
  process.exitCode = 1;
}
