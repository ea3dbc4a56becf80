/** Formats numbers for display. */
import { errorInterval } from '../core/guessing.ts';

/** `138,357,544` */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** In millions: `138.36`. */
export function formatMillions(count: number): string {
  return (count / 1e6).toFixed(2);
}

/** In billions: `15.47`. */
export function formatBillions(count: number): string {
  return (count / 1e9).toFixed(2);
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `527.8 MiB` */
export function formatBytes(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  // At 1023.95 one decimal would round to 1024.0.
  while (amount >= 1023.95 && unit < byteUnits.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${byteUnits[unit]}`;
}

/** A duration in at most two units: `3 d 4 h`, `2 h 5 min`, `12 min`, `1 min 20 s`, `9 s`, `85 ms`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'unknown';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return two(Math.floor(whole / 60), 'min', whole % 60, 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(seconds / 3600);
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** `8.75 ms`, `120 ms` */
export function formatMilliseconds(ms: number): string {
  return `${ms < 100 ? ms.toPrecision(3) : ms.toFixed(0)} ms`;
}

const magnitudes = ['', 'K', 'M', 'G', 'T', 'P', 'E', 'Z'] as const;

/** Floating-point operations: `30.9 GFLOP`. */
export function formatFlops(flops: number): string {
  let amount = flops;
  let magnitude = 0;
  while (amount >= 999.5 && magnitude < magnitudes.length - 1) {
    amount /= 1000;
    magnitude++;
  }
  return `${amount.toPrecision(3)} ${magnitudes[magnitude]}FLOP`;
}

interface Errors {
  readonly top1Error: number;
  readonly top5Error?: number;
  readonly meanClassError?: number;
  /** Mean intersection over union of boxes. */
  readonly meanOverlap?: number;
}

/** What errors were measured on. */
export interface ErrorContext {
  readonly classes: number;
  readonly images: number;
  /** Error of always naming the commonest class, a fraction (default: all classes are equally frequent). */
  readonly guessing?: number;
  /** Whether the errors are of boxes for known classes, not of classes (default false). */
  readonly areBoxes?: boolean;
  /** Whether to add the mean class error (default false). */
  readonly unbalanced?: boolean;
}

/** With up to five classes the top-5 error is always 0. */
export function hasTop5(classes: number): boolean {
  return classes > 5;
}

/** From here on the 95 % interval is within two points of the error. */
const MANY_IMAGES = 2500;

/** The 95 % interval: `15.2–64.6 %`; undefined for many images, whose errors are exact enough. */
export function formatInterval(error: number, images: number): string | undefined {
  if (images >= MANY_IMAGES || !(images > 0) || Number.isNaN(error)) return undefined;
  const [low, high] = errorInterval(error, images);
  return `${formatPercent(low)}–${formatPercent(high)} %`;
}

/**
 * `top-1 error 25.6 %, top-5 error 8.1 %`; on few images with the interval and the error of chance: `top-1 error 36.4 %
 * (95 %: 15.2–64.6 %; chance 66.7 %)`. Without the top-5 error for five classes or fewer.
 * @param context default: many images of many classes
 */
export function formatErrors(
  { top1Error, top5Error, meanClassError, meanOverlap }: Errors,
  context?: ErrorContext,
): string {
  if (context?.areBoxes) {
    const between = formatInterval(top1Error, context.images);
    const overlap = meanOverlap === undefined ? '' : `, mean overlap ${meanOverlap.toFixed(3)}`;
    return `box error ${formatPercent(top1Error)} %${between ? ` (95 %: ${between})` : ''}${overlap}`;
  }
  const { images = MANY_IMAGES, classes = 1000, guessing = 1 - 1 / classes } = context ?? {};
  const interval = formatInterval(top1Error, images);
  const doubt = interval === undefined ? '' : ` (95 %: ${interval}; chance ${formatPercent(guessing)} %)`;
  return [
    `top-1 error ${formatPercent(top1Error)} %${doubt}`,
    ...(top5Error !== undefined && hasTop5(classes) ? [`top-5 error ${formatPercent(top5Error)} %`] : []),
    ...(context?.unbalanced && meanClassError !== undefined
      ? [`mean class error ${formatPercent(meanClassError)} %`]
      : []),
  ].join(', ');
}

const SPLITS = {
  train: 'training images',
  val: 'validation images',
  test: 'test images',
  'held-out': 'held-out images',
};

/** `validation images`, `held-out images`; older versions did not record which ones they validated on. */
export function formatSplit(split: keyof typeof SPLITS = 'val'): string {
  return SPLITS[split];
}

/** A fraction in per cent: `27.4`. */
export function formatPercent(fraction: number): string {
  return (fraction * 100).toFixed(1);
}
