/**
 * TensorBoard event files: records in TFRecord framing, each a protobuf `Event`.
 * https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto (and summary.proto)
 */
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import crc32c from 'crc-32/crc32c.js';
import protobuf from 'protobufjs/light.js';
import { writingError } from '../core/files.ts';

/** The fields needed for scalars and restarts, with TensorFlow's field numbers. */
const Event = protobuf.Root.fromJSON({
  nested: {
    Event: {
      oneofs: { what: { oneof: ['fileVersion', 'summary', 'sessionLog'] } },
      fields: {
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
        sessionLog: { type: 'SessionLog', id: 7 },
      },
    },
    Summary: {
      fields: { value: { rule: 'repeated', type: 'Value', id: 1 } },
      nested: {
        Value: { fields: { tag: { type: 'string', id: 1 }, simpleValue: { type: 'float', id: 2 } } },
      },
    },
    SessionLog: { fields: { status: { type: 'int32', id: 1 } } },
  },
}).lookupType('Event');

/** SessionLog.SessionStatus */
const START = 1;

interface EventWriterOptions {
  /** The last step that a resumed run keeps: TensorBoard discards later steps of earlier files. */
  readonly resumeStep?: number;
}

/**
 * Appends scalars to a new event file. Every record is written immediately, so that a killed process loses at most the
 * record it was writing; TensorBoard ignores a torn record at the end of a file.
 */
export class EventWriter {
  readonly path: string;
  readonly #file: FileHandle;
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Starts a file in a folder, which is created if necessary. A resumed run starts another file: the old one may end in
   * a torn record, after which TensorBoard reads nothing.
   * @throws UserError when the file cannot be written.
   */
  static async open(folder: string, { resumeStep }: EventWriterOptions = {}): Promise<EventWriter> {
    const writer = await naming(folder, async () => {
      await mkdir(folder, { recursive: true });
      const path = join(folder, await newFileName(folder));
      return new EventWriter(path, await open(path, 'ax'));
    });
    await writer.#append({ step: 0, fileVersion: 'brain.Event:2' });
    if (resumeStep !== undefined) {
      // TensorBoard purges the step of the START event too.
      await writer.#append({ step: resumeStep + 1, sessionLog: { status: START } });
    }
    return writer;
  }

  /**
   * Adds one point to the curve `tag`.
   * @param wallTime seconds since 1970 (default: now)
   * @throws UserError when the disk is full.
   */
  scalar(tag: string, step: number, value: number, wallTime?: number): Promise<void> {
    return this.#append({ step, summary: { value: [{ tag, simpleValue: value }] } }, wallTime);
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file.close();
  }

  /** Writes records one after the other, in the order of the calls. */
  #append(event: Record<string, unknown>, wallTime = Date.now() / 1000): Promise<void> {
    const record = frameRecord(Event.encode(Event.fromObject({ wallTime, ...event })).finish());
    const written = this.#last.then(() => naming(this.path, () => this.#file.appendFile(record)));
    this.#last = written.catch(() => {});
    return written;
  }
}

/**
 * TFRecord framing: length (64 bits, little-endian), masked CRC-32C of the length, data, masked CRC-32C of
 * the data.
 */
export function frameRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(12 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length));
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

/** CRC-32C, rotated right by 15 bits plus a constant, because CRCs of data that contains CRCs are weak. */
export function maskedCrc(data: Uint8Array): number {
  const crc = crc32c.buf(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const FILE_NAME = /^events\.out\.tfevents\.(\d+)\./;

/** TensorBoard reads files in the order of their names: a new file must sort after those of the same second. */
async function newFileName(folder: string): Promise<string> {
  const seconds = (await readdir(folder)).map((name) => Number(FILE_NAME.exec(name)?.[1] ?? 0));
  const now = Math.max(Math.floor(Date.now() / 1000), ...seconds.map((second) => second + 1));
  return `events.out.tfevents.${String(now).padStart(10, '0')}.${hostname()}.${process.pid}.0`;
}

async function naming<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw writingError(path, error);
  }
}
