/** A failure that the user can act on: one clear sentence, optionally followed by the end of a log. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {string} [detail] printed below the sentence
   */
  constructor(message, detail = '') {
    super(message);
    this.detail = detail;
  }
}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs a step and prints `name … outcome`. The name comes first, so that the user sees which step takes long.
 * @param {string} name
 * @param {() => Promise<string | undefined>} work returns the outcome to print, undefined for `done in …`
 */
export async function step(name, work) {
  process.stderr.write(`${name} … `);
  const started = performance.now();
  try {
    const outcome = await work();
    say(outcome ?? `done in ${duration(performance.now() - started)}`);
  } catch (error) {
    say('failed');
    throw error;
  }
}

/** @param {number} milliseconds */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}
