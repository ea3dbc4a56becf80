/** A failure that the user can act on: one clear sentence, and perhaps the end of a log below it. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {string} [detail] shown below the sentence as it is
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
 * Prints `name … outcome (time)` around a piece of work. The name is written first, so that a long step
 * can be told from a hung one.
 * @param {string} name
 * @param {() => Promise<string | undefined>} work returns what there was to say, undefined for `done`
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
