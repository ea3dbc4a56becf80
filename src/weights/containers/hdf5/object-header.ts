/** Reads object headers: the messages that describe a group or a dataset (format specification, IV.A). */
import { Cursor, type Hdf5Source } from './hdf5-source.ts';

export interface HeaderMessage {
  readonly type: number;
  readonly body: Cursor;
}

/** Message types. */
export const MessageType = {
  dataspace: 0x1,
  linkInfo: 0x2,
  datatype: 0x3,
  link: 0x6,
  layout: 0x8,
  filters: 0xb,
  attribute: 0xc,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const;

/** Flag of a message whose value is stored elsewhere and shared with others. */
const SHARED_FLAG = 2;
const MAX_MESSAGES = 10_000;

/** Reads all messages of an object, including continuations. @throws UserError when the header is malformed. */
export async function readObjectHeader(source: Hdf5Source, address: number): Promise<HeaderMessage[]> {
  const first = await source.at(address, Math.min(64, source.size - address));
  const reader = first.bytes.toString('latin1', 0, 4) === 'OHDR' ? readNewHeader : readOldHeader;
  return reader(source, address, first);
}

/** Reads a header of version 1. */
async function readOldHeader(source: Hdf5Source, address: number, start: Cursor): Promise<HeaderMessage[]> {
  const version = start.u8();
  if (version !== 1) throw source.broken(`an object's header at byte ${address} has version ${version}`);
  start.skip(7);
  const size = start.u32();
  const messages: HeaderMessage[] = [];
  const blocks: [address: number, size: number][] = [[address + 16, size]];
  for (const [at, length] of blocks) {
    const block = await source.at(at, length);
    while (block.left >= 8) {
      const type = block.u16();
      const bytes = block.u16();
      const flags = block.u8();
      block.skip(3);
      addMessage(source, messages, blocks, { type, flags, body: block.take(bytes) });
    }
  }
  return messages;
}

/** Reads a header of version 2, whose blocks begin with a signature and end with a checksum. */
async function readNewHeader(source: Hdf5Source, address: number, start: Cursor): Promise<HeaderMessage[]> {
  start.expect('OHDR');
  const version = start.u8();
  if (version !== 2) throw source.broken(`an object's header at byte ${address} has version ${version}`);
  const flags = start.u8();
  if (flags & 0x20) start.skip(16);
  if (flags & 0x10) start.skip(4);
  const size = start.uint(1 << (flags & 3));
  const headBytes = flags & 4 ? 6 : 4;
  const messages: HeaderMessage[] = [];
  const blocks: [address: number, size: number][] = [];
  const readBlock = async (at: number, length: number): Promise<void> => {
    const block = await source.at(at, length);
    while (block.left >= headBytes) {
      const type = block.u8();
      const bytes = block.u16();
      const messageFlags = block.u8();
      block.skip(headBytes - 4);
      addMessage(source, messages, blocks, { type, flags: messageFlags, body: block.take(bytes) });
    }
  };
  await readBlock(address + start.position, size);
  for (const [at, length] of blocks) {
    (await source.at(at, 4)).expect('OCHK');
    await readBlock(at + 4, length - 8);
  }
  return messages;
}

function addMessage(
  source: Hdf5Source,
  messages: HeaderMessage[],
  blocks: [address: number, size: number][],
  { type, flags, body }: { type: number; flags: number; body: Buffer },
): void {
  if (messages.length >= MAX_MESSAGES)
    throw source.broken(`an object in it has more than ${MAX_MESSAGES} messages`);
  // Copied, because the read window moves on.
  const cursor = new Cursor(source, Buffer.from(body));
  if (type === MessageType.continuation) blocks.push([cursor.u64(), cursor.u64()]);
  else if (flags & SHARED_FLAG) messages.push({ type: -type, body: cursor });
  else messages.push({ type, body: cursor });
}
