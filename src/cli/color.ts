/** Colors on terminals that have them. */

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1 } as const;

/** Whether a stream shows colors: NO_COLOR (https://no-color.org) wins, then FORCE_COLOR, then whether it is a terminal. */
function hasColors(stream: { readonly isTTY?: boolean }): boolean {
  const { NO_COLOR: never, FORCE_COLOR: always, TERM: terminal } = process.env;
  if (never) return false;
  if (always !== undefined && always !== '') return always !== '0' && always !== 'false';
  return stream.isTTY === true && terminal !== 'dumb';
}

/** @param stream where the text will be printed (default: stderr) */
export function paint(
  color: keyof typeof CODES,
  text: string,
  stream: { readonly isTTY?: boolean } = process.stderr,
): string {
  return hasColors(stream) ? `\u001b[${CODES[color]}m${text}\u001b[0m` : text;
}
