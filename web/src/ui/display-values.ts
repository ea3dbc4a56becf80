/** Formats numbers and times the same way on the whole page. */

const THIN = '\u202f';

/** A fraction in per cent: 0.2738 is `27.4 %`. Values near 0 and 1 are never rounded to 0 % or 100 %. */
export function percent(fraction: number, digits = 1): string {
  if (!Number.isFinite(fraction)) return '–';
  const value = 100 * fraction;
  const least = 10 ** -digits;
  if (value > 0 && value < least) return `<${THIN}${least}${THIN}%`;
  if (value < 100 && value > 100 - least) return `>${THIN}${(100 - least).toFixed(digits)}${THIN}%`;
  return `${value.toFixed(digits)}${THIN}%`;
}

export function count(value: number): string {
  return value.toLocaleString('en');
}

/** 138357544 is `138.4 M` */
export function short(value: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (value >= size) return `${(value / size).toFixed(value >= 100 * size ? 0 : 1)}${THIN}${unit}`;
  }
  return String(value);
}

/** Bytes in units of a million, as browsers show downloads. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)}${THIN}MB`;
}

/** Four significant digits: 0.01, −2.303, 1.0e-7. */
export function figure(value: number): string {
  const size = Math.abs(value);
  const digits = size !== 0 && size < 1e-4 ? size.toExponential(1) : String(Number(size.toPrecision(4)));
  return value < 0 ? `−${digits}` : digits;
}

export function milliseconds(value: number): string {
  return value >= 1000
    ? `${(value / 1000).toFixed(1)}${THIN}s`
    : `${value.toFixed(value < 10 ? 1 : 0)}${THIN}ms`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function moment(iso: string): string {
  return new Date(iso).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
