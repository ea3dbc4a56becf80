import { CommanderError } from 'commander';
import { messageOf, systemErrorCode, UserError } from '../core/errors.ts';
import { log } from './output.ts';
import { buildProgram } from './program.ts';

const WRONG_USAGE = 2;

/** Says what went wrong, and gives the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed it. What it was asked for is no error: help, version.
    return error.exitCode === 0 ? 0 : WRONG_USAGE;
  }
  if (error instanceof UserError) {
    log(`vgg: ${error.message}`);
    if (process.env.VERYDEEP_DEBUG) log(traceOf(error));
    return error.exitCode;
  }
  log(`vgg: this is a bug: ${messageOf(error)}`);
  log(
    process.env.VERYDEEP_DEBUG ? traceOf(error) : 'Set VERYDEEP_DEBUG=1 to see where, and please report it.',
  );
  return 1;
}

function traceOf(error: unknown): string {
  return error instanceof Error ? `${error.stack}${causeOf(error)}` : '';
}

function causeOf(error: Error): string {
  return error.cause === undefined ? '' : `\ncaused by ${traceOf(error.cause)}`;
}

/** Whoever reads our output may stop early (`vgg configs | head`): no reason to complain. */
function ignoreClosedPipe(error: unknown): void {
  if (systemErrorCode(error) === 'EPIPE') process.exit();
  throw error;
}

process.stdout.on('error', ignoreClosedPipe);
process.stderr.on('error', ignoreClosedPipe);
process.on('uncaughtException', (error) => process.exit(report(error)));

try {
  const program = await buildProgram(process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
