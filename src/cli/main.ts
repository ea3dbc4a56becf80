import { CommanderError } from 'commander';
import { isWithoutFolder, messageOf, printable, systemErrorCode, UserError } from '../core/errors.ts';
import { readingError, writingError } from '../core/files.ts';
import { watchProgress } from '../core/progress-channel.ts';
import { paint } from './color.ts';
import { log } from './output.ts';
import { buildProgram } from './program.ts';
import { ProgressBars } from './progress.ts';

const WRONG_USAGE = 2;

/** Prints the error and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed the message. Help and version come here too, with exit code 0.
    return error.exitCode === 0 ? 0 : WRONG_USAGE;
  }
  if (error instanceof UserError) {
    log(`${paint('red', 'vgg:')} ${onOneLine(error.message)}`);
    if (process.env.VERYDEEP_DEBUG) log(traceOf(error));
    return error.exitCode;
  }
  const { path, syscall } = (error ?? {}) as { readonly path?: unknown; readonly syscall?: string };
  if (isWithoutFolder(error)) return report(new UserError(messageOf(error)));
  if (systemErrorCode(error) !== undefined && typeof path === 'string') {
    const isReading = /^(?:open|read|scandir|l?stat)/.test(syscall ?? '');
    return report((isReading ? readingError : writingError)(path, error));
  }
  log(`vgg: internal error: ${messageOf(error)}`);
  log(
    process.env.VERYDEEP_DEBUG
      ? traceOf(error)
      : 'This is a bug. Please report it; VERYDEEP_DEBUG=1 shows the stack trace.',
  );
  return 1;
}

/** Paths that were given may have line breaks in them, lists in messages have, too. */
function onOneLine(message: string): string {
  const given = process.argv.slice(2).filter((word) => word.includes('\n'));
  return given.reduce((text, word) => text.replaceAll(word, printable(word)), message);
}

function traceOf(error: unknown): string {
  return error instanceof Error ? `${error.stack}${causeOf(error)}` : '';
}

function causeOf(error: Error): string {
  return error.cause === undefined ? '' : `\ncaused by ${traceOf(error.cause)}`;
}

/** Whatever reads our output may close the pipe early (`vgg configs | head`); that is not an error. */
function ignoreClosedPipe(error: unknown): void {
  if (systemErrorCode(error) === 'EPIPE') process.exit();
  throw error;
}

process.stdout.on('error', ignoreClosedPipe);
process.stderr.on('error', ignoreClosedPipe);
process.on('uncaughtException', (error) => process.exit(report(error)));

const bars = new ProgressBars();
watchProgress(({ label, done, total }) => {
  bars.show(label, done, total);
  if (done === total) bars.stop();
});

try {
  const program = await buildProgram(process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
