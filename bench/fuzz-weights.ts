/**
 * Reads hundreds of thousands of damaged weight files: each must be read or refused in one sentence, in little time
 * and memory. Run by hand:
 *
 *   node dist/bench/fuzz-weights.js [files per kind] [seed] [kind …]
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { unzipSync } from 'fflate';
import { UserError } from '../src/core/errors.ts';
import { projectFolder } from '../src/core/project.ts';
import { type ZipContent, zipArchive } from '../src/weights/containers/zip/zip-writer.ts';
import { readModelWithReport } from '../src/weights/model/read-model.ts';
import { mutated } from '../test/unit/weights/mutation.ts';

/** Test fixtures, one to three per format. Of a folder, the named file is damaged and the folder is read. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  safetensors: ['timm-d.safetensors', 'torch-b-half.safetensors'],
  pytorch: ['torch-d.pth', 'torch-a-bn.pth'],
  'pytorch-legacy': ['torch-d-legacy.pt', 'd-extras-legacy.pth'],
  'pytorch-objects': ['d-extras.pth', 'd-whole.pth'],
  torchscript: ['d-script.pt', 'd-frozen.pt'],
  'pytorch-exported': ['d-exported.pt2'],
  shards: ['d-sharded/model.safetensors.index.json'],
  npz: ['d-named.npz', 'd-slim.npz', 'd-numbered.npz'],
  npy: ['d-arrays/features.0.weight.npy', 'd-arrays/classifier.0.weight.npy', 'd-arrays/features.5.bias.npy'],
  matconvnet: ['d-matconvnet.mat', 'd-matconvnet-old.mat'],
  onnx: ['torch-d.onnx', 'torch-b-bn.onnx', 'tf2onnx-like-d.onnx'],
  caffe: ['caffe-d-v1.caffemodel', 'caffe-b-bn-v2.caffemodel'],
  hdf5: ['keras2-a-bn.h5', 'keras3-a.weights.h5'],
  keras: ['keras3-a.keras'],
};
const FIXTURES = join(projectFolder, 'test/fixtures/weights');
const MAX_MILLISECONDS = 2_000;
/** Bytes of arrays for one file: a chunk or two for reading, and a few times the file's size. */
const allowedBytes = (size: number) => 16 * 2 ** 20 + 32 * size;

let allocated = 0;
countAllocations();

const [count = '1000', seed = '1', ...chosen] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'verydeep-fuzz-'));
try {
  for (const kind of chosen.length > 0 ? chosen : Object.keys(kinds))
    await fuzz(kind, Number(count), Number(seed));
} finally {
  rmSync(folder, { recursive: true });
}

async function fuzz(kind: string, files: number, seed: number): Promise<void> {
  const originals = kinds[kind]!.map((name) => ({
    name,
    bytes: readFileSync(join(FIXTURES, name)),
    size: copied(name),
    entries: entriesOf(join(FIXTURES, name)),
  }));
  const started = performance.now();
  const seen = { read: 0, refused: 0, slowest: 0, largest: 0, wrong: 0 };
  const reasons = new Set<string>();
  for (let index = 0; index < files; index++) {
    const { name, bytes, size, entries } = originals[index % originals.length]!;
    const inside = entries.length > 0 && Math.floor(index / originals.length) % 2 === 1;
    const file = inside ? withMutatedEntry(entries, seed, index) : mutated(bytes, seed, index);
    const isInFolder = dirname(name) !== '.';
    const place = join(folder, isInFolder ? name : `m${extname(name)}`);
    const path = isInFolder ? dirname(place) : place;
    writeFileSync(place, file);
    allocated = 0;
    const before = process.cpuUsage();
    const outcome = await attempt(path);
    // Processor time, because the machine may be busy.
    const { user, system } = process.cpuUsage(before);
    const milliseconds = (user + system) / 1000;
    seen.slowest = Math.max(seen.slowest, milliseconds);
    seen.largest = Math.max(seen.largest, allocated / allowedBytes(size + file.length));
    if (outcome === 'read') seen.read++;
    else if (outcome instanceof UserError && !outcome.message.includes('\n')) {
      seen.refused++;
      reasons.add(outcome.message.replaceAll(path, '').replace(/\d+/g, '0').slice(0, 60));
    } else report(kind, index, outcome instanceof Error ? (outcome.stack ?? '') : String(outcome));
    if (milliseconds > MAX_MILLISECONDS) report(kind, index, `took ${milliseconds} ms`);
    if (allocated > allowedBytes(size + file.length))
      report(kind, index, `allocated ${allocated} bytes for ${file.length}`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `${kind}: ${files} files in ${seconds} s: ${seen.read} read, ${seen.refused} refused for ${reasons.size} reasons, ${seen.wrong} wrong; slowest ${seen.slowest.toFixed(0)} ms, most memory ${(100 * seen.largest).toFixed(0)} % of the limit, peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`,
  );
  if (seen.wrong > 0) process.exitCode = 1;

  function report(name: string, index: number, message: string): void {
    seen.wrong++;
    console.log(`${name} ${index}: ${message}`);
  }
}

/** The entries of a zip archive; none of another file. */
function entriesOf(path: string): ZipContent[] {
  const bytes = readFileSync(path);
  if (bytes.toString('latin1', 0, 2) !== 'PK') return [];
  return Object.entries(unzipSync(bytes)).map(([name, data]) => ({ name, data }));
}

/** Damages one of the entries that describe the tensors. The archive has the right checksums, so that it is read. */
function withMutatedEntry(entries: readonly ZipContent[], seed: number, index: number): Buffer {
  const described = entries.filter(({ name }) => /\.(pkl|py|json|npy|h5)$/.test(name));
  const chosen = described[index % described.length]!;
  const changed = { ...chosen, data: mutated(chosen.data, seed, index) };
  return Buffer.concat([...zipArchive(entries.map((entry) => (entry === chosen ? changed : entry)))]);
}

/** Copies the folder that a fixture is in. @returns the size of its files */
function copied(name: string): number {
  if (dirname(name) === '.') return 0;
  cpSync(join(FIXTURES, dirname(name)), join(folder, dirname(name)), { recursive: true });
  return 64 * 1024;
}

async function attempt(path: string): Promise<unknown> {
  try {
    await readModelWithReport(path, { convention: 'torchvision', allowFeatures: true });
    return 'read';
  } catch (error) {
    return error;
  }
}

/** Counts buffers and float arrays: the memory that a file's claims may cost. */
function countAllocations(): void {
  const alloc = Buffer.alloc;
  Buffer.alloc = (size: number, ...rest: unknown[]) => {
    allocated += size;
    return (alloc as (size: number, ...rest: unknown[]) => Buffer<ArrayBuffer>)(size, ...rest);
  };
  globalThis.Float32Array = new Proxy(Float32Array, {
    construct(target, args: unknown[], newTarget) {
      if (typeof args[0] === 'number') allocated += 4 * args[0];
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
}
