/** Reads a group's links: old symbol tables, or compact links in newer files (format specification, III and IV). */

import type { Cursor, Hdf5Source } from './hdf5-source.ts';
import { type HeaderMessage, MessageType } from './object-header.ts';

const MAX_LINKS = 10_000;

/** Addresses of object headers by name, or undefined for an object that is not a group. */
export async function readLinks(
  source: Hdf5Source,
  messages: readonly HeaderMessage[],
): Promise<Map<string, number> | undefined> {
  const table = messages.find(({ type }) => type === MessageType.symbolTable);
  if (table) return readSymbolTable(source, table.body);
  const info = messages.find(({ type }) => type === MessageType.linkInfo);
  if (!info) return undefined;
  checkCompact(source, info.body);
  const links = new Map<string, number>();
  for (const { type, body } of messages) {
    if (type === MessageType.link) addLink(source, links, body);
  }
  return links;
}

/** Rejects dense storage, which the newest version uses for more than eight links. */
function checkCompact(source: Hdf5Source, cursor: Cursor): void {
  cursor.skip(1);
  const flags = cursor.u8();
  if (flags & 1) cursor.skip(8);
  if (cursor.u64() !== -1) {
    throw source.broken(
      "it has groups in dense storage (libver='latest'), which is not supported; save it with the library's defaults",
    );
  }
}

function addLink(source: Hdf5Source, links: Map<string, number>, cursor: Cursor): void {
  cursor.skip(1);
  const flags = cursor.u8();
  const kind = flags & 8 ? cursor.u8() : 0;
  if (flags & 4) cursor.skip(8);
  if (flags & 16) cursor.skip(1);
  const name = cursor.take(cursor.uint(1 << (flags & 3))).toString('utf8');
  // Soft and external links are not followed, since they may lead out of the file.
  if (kind === 0) links.set(name, cursor.u64());
  if (links.size > MAX_LINKS) throw source.broken(`a group in it has more than ${MAX_LINKS} links`);
}

async function readSymbolTable(source: Hdf5Source, cursor: Cursor): Promise<Map<string, number>> {
  const tree = cursor.u64();
  const heapHead = (await source.at(cursor.u64(), 32)).expect('HEAP').skip(4);
  const heapSize = heapHead.u64();
  heapHead.skip(8);
  const heapAddress = heapHead.u64();
  const names = Buffer.from((await source.at(heapAddress, heapSize)).bytes);
  const links = new Map<string, number>();
  const seen = new Set<number>();
  const visit = async (address: number): Promise<void> => {
    if (seen.has(address)) throw source.broken('a group in it contains itself');
    seen.add(address);
    const signature = (await source.at(address, 4)).bytes.toString('latin1');
    if (signature === 'SNOD') return readSymbols(source, address, names, links);
    for (const child of await readTreeNode(source, address)) await visit(child);
  };
  await visit(tree);
  return links;
}

/** Reads a node of a version 1 B-tree for groups, where keys and children alternate. */
async function readTreeNode(source: Hdf5Source, address: number): Promise<number[]> {
  const head = (await source.at(address, 24)).expect('TREE').skip(2);
  const count = head.u16();
  const body = await source.at(address + 24, (2 * count + 1) * 8);
  return Array.from({ length: count }, () => body.skip(8).u64());
}

async function readSymbols(
  source: Hdf5Source,
  address: number,
  names: Buffer,
  links: Map<string, number>,
): Promise<void> {
  const count = (await source.at(address, 8)).skip(6).u16();
  const body = await source.at(address + 8, count * 40);
  for (let i = 0; i < count; i++) {
    const offset = body.u64();
    const header = body.u64();
    const cache = body.u32();
    body.skip(20);
    const end = offset < 0 || offset >= names.length ? -1 : names.indexOf(0, offset);
    if (end < 0) throw source.broken('a name in it does not end');
    // 2: a symbolic link.
    if (cache !== 2) links.set(names.toString('utf8', offset, end), header);
    if (links.size > MAX_LINKS) throw source.broken(`a group in it has more than ${MAX_LINKS} links`);
  }
}
