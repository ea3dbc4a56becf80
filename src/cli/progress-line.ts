/** Lines of progress that fit the terminal: on a narrow one, the least important fields are left out. */

/** A part of the line. */
export interface Field {
  readonly text: string;
  /** Fields with a higher rank are left out first. */
  readonly rank: number;
}

const SEPARATOR = ' · ';

/** Joins the fields that fit; the last one left is cut. @param columns of the terminal */
export function fitFields(fields: readonly Field[], columns: number): string {
  const shown = fields.filter(({ text }) => text !== '');
  for (;;) {
    const line = shown.map(({ text }) => text).join(SEPARATOR);
    if (line.length <= columns) return line;
    if (shown.length === 1) return `${line.slice(0, Math.max(0, columns - 1))}…`;
    const last = shown.reduce((worst, field) => (field.rank >= worst.rank ? field : worst));
    shown.splice(shown.indexOf(last), 1);
  }
}

/** `0:09`, `1:41`, `2:05:10`, `3 d 4 h` */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours] = [Math.floor(whole / 86_400), Math.floor(whole / 3600)];
  if (days > 0) return `${days} d ${hours % 24} h`;
  const two = (count: number) => String(count % 60).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole)}` : `${minutes}:${two(whole)}`;
}
