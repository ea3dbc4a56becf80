import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const vgg = fileURLToPath(new URL('../../src/cli/vgg.cjs', import.meta.url));

export interface NetworkFlags {
  readonly config: string;
  readonly width: string;
  readonly crop: string;
  readonly classes: string;
}

/** A `vgg serve` process with a model of random weights. */
export class ServerUnderLoad {
  readonly url: string;
  readonly model: string;
  readonly #network: NetworkFlags;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(
    url: string,
    model: string,
    network: NetworkFlags,
    child: ChildProcess,
    folder: string,
  ) {
    this.url = url;
    this.model = model;
    this.#network = network;
    this.#child = child;
    this.#folder = folder;
  }

  static async start(network: NetworkFlags): Promise<ServerUnderLoad> {
    const folder = await mkdtemp(join(tmpdir(), 'verydeep-load-'));
    const model = join(folder, 'model.safetensors');
    await run(process.execPath, [vgg, 'init', ...flagsOf(network), '--out', model]);
    const child = spawn(process.execPath, [vgg, 'serve', '--model', model, '--port', '0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: folder,
    });
    let text = '';
    child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    for (;;) {
      const [, url] = /Serving on (\S+)/.exec(text) ?? [];
      if (url) return new ServerUnderLoad(url, model, network, child, folder);
      await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')]);
      if (child.exitCode !== null) throw new Error(`the server did not start: ${text}`);
    }
  }

  /** A metric of `/metrics`, summed over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** The result of `vgg bench` for the same network. */
  async bench(batch: number): Promise<{ msPerImage: number; medianMsPerImage: number }> {
    const args = ['bench', ...flagsOf(this.#network), '--batch', String(batch), '--seconds', '5', '--json'];
    const { stdout } = await run(process.execPath, [vgg, ...args]);
    return JSON.parse(stdout);
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
    await rm(this.#folder, { recursive: true });
  }
}

function flagsOf(network: NetworkFlags): string[] {
  return Object.entries(network).flatMap(([name, value]) => [`--${name}`, value]);
}
