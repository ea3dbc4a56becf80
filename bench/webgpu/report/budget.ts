/** Runs programs one after another within a time limit for all of them. */
import { spawn } from 'node:child_process';

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined: it was stopped, because its time was up. */
  readonly code: number | null | undefined;
  readonly seconds: number;
}

export class Budget {
  readonly #end: number;
  readonly #environment: NodeJS.ProcessEnv;

  /** @param environment added to that of the programs */
  constructor(seconds: number, environment: NodeJS.ProcessEnv) {
    this.#end = performance.now() + 1000 * seconds;
    this.#environment = environment;
  }

  get secondsLeft(): number {
    return Math.max(0, (this.#end - performance.now()) / 1000);
  }

  /** @param seconds its time limit, if that much is left */
  async run(program: string, args: readonly string[], seconds: number): Promise<Finished> {
    const start = performance.now();
    const limit = Math.min(seconds, this.secondsLeft);
    const passed = () => (performance.now() - start) / 1000;
    if (limit < 1) return { stdout: '', stderr: 'no time was left', code: undefined, seconds: 0 };
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#environment },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    let isStopped = false;
    const timer = setTimeout(() => {
      isStopped = true;
      child.kill('SIGKILL');
    }, 1000 * limit);
    return new Promise((resolve) => {
      child.on('error', (error) => {
        clearTimeout(timer);
        resolve({ stdout, stderr: error.message, code: null, seconds: passed() });
      });
      child.on('close', (code) => {
        clearTimeout(timer);
        resolve({ stdout, stderr, code: isStopped ? undefined : code, seconds: passed() });
      });
    });
  }
}

/** Why a run has no result, for the page. */
export function faultOf({ code, stderr, seconds }: Finished): string {
  const lines = stderr.trim().split('\n');
  const last = lines.findLast((line) => /^\w*Error|vgg:/.test(line)) ?? lines.at(-1) ?? '';
  if (code === undefined)
    return seconds === 0
      ? 'not measured (no time left)'
      : `not measured (stopped after ${seconds.toFixed(0)} s)`;
  return `not measured (${
    last
      .replace(/^vgg: /, '')
      .replaceAll('|', '/')
      .slice(0, 300) || `exit code ${code}`
  })`;
}
