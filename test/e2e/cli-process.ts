import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The compiled command line, wherever it was compiled to. */
export const mainFile: string = fileURLToPath(new URL('../../src/cli/vgg.cjs', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `vgg` as a person would, in a process of its own. */
export function vgg(...args: string[]): Promise<Outcome> {
  return vggWith({}, ...args);
}

/** `vgg` with more environment variables. */
export function vggWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [mainFile, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
