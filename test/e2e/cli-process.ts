import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The compiled command line, wherever it was compiled to. */
export const mainFile: string = fileURLToPath(new URL('../../src/cli/vgg.cjs', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Value = string | number | readonly string[];

/** Words, or a template as of `words`. */
export type CommandLine = readonly string[] | readonly [template: TemplateStringsArray, ...values: Value[]];

/** The words of a template, as a shell finds them; no value is divided, and a list is several words. */
export function words(template: TemplateStringsArray, ...values: readonly Value[]): string[] {
  const found = [''];
  const glue = (text: string | number) => found.push(`${found.pop()}${text}`);
  for (const [i, text] of template.entries()) {
    const [first, ...more] = text.split(/\s+/);
    glue(first!);
    found.push(...more);
    const value = values[i] ?? '';
    if (typeof value === 'object') found.push(...value);
    else glue(value);
  }
  return found.filter((word) => word !== '');
}

function wordsOf(command: CommandLine): string[] {
  const [first, ...rest] = command;
  return typeof first === 'object' ? words(first, ...rest) : [...(command as readonly string[])];
}

/** Starts `vgg` without waiting for it to exit. */
export function startVgg(env: NodeJS.ProcessEnv, ...command: CommandLine): ChildProcess {
  return spawn(process.execPath, [mainFile, ...wordsOf(command)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}

/** Collects what a process writes until it ends. */
export function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const [stdout, stderr] = [textOf(child, 'stdout'), textOf(child, 'stderr')];
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    // Open MPI 5's launcher ends some messages with a NUL byte, which a terminal does not show.
    child.on('close', (code) => resolve({ code, stdout: stdout(), stderr: stderr().replaceAll('\0', '') }));
  });
}

/** @returns what gives the text that the process has written so far */
export function textOf(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[stream]!.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  return () => text;
}

/** Runs `vgg` as a person would, in its own process. */
export function vgg(...command: CommandLine): Promise<Outcome> {
  return vggWith({}, ...command);
}

/** `vgg` with more environment variables. */
export function vggWith(env: NodeJS.ProcessEnv, ...command: CommandLine): Promise<Outcome> {
  return outcomeOf(startVgg(env, ...command));
}

/** A command that must exit with 0. */
export async function succeeded(command: Promise<Outcome>): Promise<Outcome> {
  const outcome = await command;
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

/** What a command with --json prints. */
// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
export async function jsonOf(command: Promise<Outcome>): Promise<any> {
  return JSON.parse((await succeeded(command)).stdout);
}

/** A command that must exit with this code and a message that matches, and print nothing else. */
export async function failed(command: Promise<Outcome>, code: number, message: RegExp): Promise<Outcome> {
  const outcome = await command;
  assert.equal(outcome.code, code, outcome.stderr);
  assert.equal(outcome.stdout, '');
  assert.match(outcome.stderr, message);
  return outcome;
}
