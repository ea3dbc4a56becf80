import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import protobuf from 'protobufjs/light.js';
import { EventWriter, frameRecord, maskedCrc } from '../../../src/runs/tensorboard.ts';
import { range } from '../../support/lists.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';

const work = new TemporaryFolder();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(work.path('events-'));
});

/** A reader by wire format alone, so that a wrong field number in the writer's own table is found. */
interface Decoded {
  wallTime?: number;
  step: number;
  fileVersion?: string;
  tag?: string;
  value?: number;
  status?: number;
}

function decodeEvent(data: Uint8Array): Decoded {
  const event: Decoded = { step: 0 };
  eachField(data, {
    1: (reader) => {
      event.wallTime = reader.double();
    },
    2: (reader) => {
      event.step = Number(reader.int64());
    },
    3: (reader) => {
      event.fileVersion = reader.string();
    },
    5: (reader) =>
      eachField(reader.bytes(), {
        1: (inner) =>
          eachField(inner.bytes(), {
            1: (value) => {
              event.tag = value.string();
            },
            2: (value) => {
              event.value = value.float();
            },
          }),
      }),
    7: (reader) =>
      eachField(reader.bytes(), {
        1: (inner) => {
          event.status = inner.int32();
        },
      }),
  });
  return event;
}

function eachField(data: Uint8Array, fields: Record<number, (reader: protobuf.Reader) => void>): void {
  const reader = protobuf.Reader.create(data);
  while (reader.pos < reader.len) {
    const number = reader.uint32() >>> 3;
    const read = fields[number];
    assert.ok(read, `field ${number} is none of ours`);
    read(reader);
  }
}

async function readEvents(path: string): Promise<Decoded[]> {
  const bytes = await readFile(path);
  const events: Decoded[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.equal(bytes.readUInt32LE(at + 8), maskedCrc(bytes.subarray(at, at + 8)));
    assert.equal(bytes.readUInt32LE(at + 12 + length), maskedCrc(data));
    events.push(decodeEvent(data));
    at += 12 + length + 4;
  }
  return events;
}

const mask = (crc: number) => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

describe('TensorBoard events', () => {
  test('the checksum is CRC-32C, masked', () => {
    // RFC 3720, appendix B.4, and the check value of the polynomial's catalogues.
    assert.equal(maskedCrc(new Uint8Array(32)), mask(0x8a9136aa));
    assert.equal(maskedCrc(new Uint8Array(32).fill(0xff)), mask(0x62a8ab43));
    assert.equal(maskedCrc(Uint8Array.from(range(32))), mask(0x46dd794e));
    assert.equal(maskedCrc(Buffer.from('123456789')), mask(0xe3069283));
  });

  test('a record is length, its checksum, data, its checksum', () => {
    const record = Buffer.from(frameRecord(Buffer.from('123456789')));
    assert.equal(record.length, 8 + 4 + 9 + 4);
    assert.equal(record.readBigUInt64LE(0), 9n);
    assert.equal(record.toString('latin1', 12, 21), '123456789');
    assert.equal(record.readUInt32LE(21), mask(0xe3069283));
  });

  test('writes the version first, then the points in the order of the calls', async () => {
    const events = await EventWriter.open(folder);
    await Promise.all([
      events.scalar('loss/train', 10, 2.5, 1000.25),
      events.scalar('loss/train', 2 ** 40, Number.NaN, 1001),
    ]);
    await events.close();
    const [version, ...points] = await readEvents(events.path);
    assert.equal(version?.fileVersion, 'brain.Event:2');
    assert.ok(Math.abs(version.wallTime! - Date.now() / 1000) < 60);
    assert.deepEqual(points, [
      { wallTime: 1000.25, step: 10, tag: 'loss/train', value: 2.5 },
      { wallTime: 1001, step: 2 ** 40, tag: 'loss/train', value: Number.NaN },
    ]);
  });

  test('a resumed run starts a file that sorts last and states where it continues', async () => {
    const later = Math.floor(Date.now() / 1000) + 1000;
    await writeFile(join(folder, `events.out.tfevents.${later}.zzz.1.0`), '');
    const events = await EventWriter.open(folder, { resumeStep: 70 });
    await events.scalar('loss', 80, 1);
    await events.close();
    assert.ok(events.path.endsWith((await readdir(folder)).sort().at(-1)!));
    const [, start] = await readEvents(events.path);
    assert.equal(start?.step, 71, 'TensorBoard purges from this step on');
    assert.equal(start.status, 1);
  });

  test('every point is in the file as soon as its promise is settled', async () => {
    const events = await EventWriter.open(folder);
    await events.scalar('a', 1, 1);
    assert.equal((await readEvents(events.path)).length, 2);
    await events.close();
  });

  test('a folder that cannot be created is named', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    await refused(EventWriter.open(file), file);
  });
});
