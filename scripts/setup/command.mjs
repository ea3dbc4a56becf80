import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { projectFolder } from './project.mjs';
import { SetupError } from './report.mjs';

const shownLines = 30;
const npmLines = 12;

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;
/** @type {NodeJS.Signals | undefined} */
let interruptedBy;

/**
 * Runs a program with its output in a log file; if it fails, the end of the log is shown.
 * @param {string[]} commandLine
 * @param {{ log: string, failure: string, env?: NodeJS.ProcessEnv, cwd?: string }} options
 *   failure: the sentence to show when the program does not exit with 0
 */
export async function run(commandLine, { log, failure, env, cwd }) {
  mkdirSync(dirname(log), { recursive: true });
  const output = openSync(log, 'a');
  writeSync(output, `$ ${commandLine.join(' ')}\n`);
  const problem = await finished(commandLine, output, env, cwd);
  closeSync(output);
  if (problem === undefined) return;
  if (interruptedBy)
    throw new SetupError(`Interrupted by ${interruptedBy}; run the same command again to continue.`);
  const where = relative(projectFolder, log);
  throw new SetupError(
    `${failure} (${commandLine[0]} ${problem}; the full log is ${where}).`,
    telling(readFileSync(log, 'utf8')),
  );
}

/**
 * Runs a program and returns its output and status; 127 if there is no such program.
 * @param {string[]} commandLine
 * @param {string} [input]
 */
export function probe([program = '', ...args], input = '') {
  const { status, stdout, stderr } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 2 ** 26,
  });
  return { status: status ?? 127, stdout: stdout ?? '', stderr: stderr ?? '' };
}

/** Forwards Ctrl-C and other signals to the running program; the step that waits for it then fails cleanly. */
export function forwardSignals() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      interruptedBy = signal;
      if (running) running.kill(signal);
      else process.exit(exitCodeOfInterrupt());
    });
  }
}

/** The exit code after an interrupt, for example 130; undefined without one. */
export function interruptExitCode() {
  return interruptedBy ? exitCodeOfInterrupt() : undefined;
}

function exitCodeOfInterrupt() {
  return interruptedBy === 'SIGTERM' ? 143 : interruptedBy === 'SIGHUP' ? 129 : 130;
}

/**
 * @param {string[]} commandLine
 * @param {number} output
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [cwd]
 * @returns {Promise<string | undefined>} what went wrong
 */
function finished([program = '', ...args], output, env = process.env, cwd = projectFolder) {
  return new Promise((resolve) => {
    running = spawn(program, args, { cwd, env, stdio: ['ignore', output, output] });
    running.on('error', (error) => resolve(`could not be started: ${error.message}`));
    running.on('close', (code, signal) => {
      running = undefined;
      if (code === 0 && !interruptedBy) resolve(undefined);
      else
        resolve(
          signal || interruptedBy ? `was stopped by ${signal ?? interruptedBy}` : `exited with ${code}`,
        );
    });
  });
}

/**
 * The part of a log with the reason: npm prints it before its usage text, all others print it last.
 * @param {string} log
 */
function telling(log) {
  const lines = log.trimEnd().split('\n');
  const npmReason = lines.filter((line) => /^npm (error|ERR!)(?! +at )/.test(line));
  return (npmReason.length > 0 ? npmReason.slice(0, npmLines) : lines.slice(-shownLines)).join('\n');
}
