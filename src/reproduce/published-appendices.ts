/** The paper's results in its appendices. Errors and mean average precisions are in per cent. */

/** Table 8: box error for the true class on center crops, S = 256. */
export const TABLE_8 = { 'single-fc': 36.4, 'per-class-fc': 34.3, 'per-class-all': 33.1 } as const;

/** Table 9: top-5 localization error on validation images. */
export const TABLE_9 = { first: 29.5, second: 28.2, 'second, two scales': 27.5, fusion: 26.9 } as const;

/** Table 10: top-5 localization error of others, validation and test. */
export const TABLE_10: readonly (readonly [
  method: string,
  validation: number | null,
  test: number | null,
])[] = [
  ['VGG', 26.9, 25.3],
  ['GoogLeNet', null, 26.7],
  ['OverFeat', 30.0, 29.9],
  ['Krizhevsky et al.', null, 34.2],
];

/** Data sets of Table 11. */
export const transferSets = ['VOC-2007', 'VOC-2012', 'Caltech-101', 'Caltech-256'] as const;
export type TransferSet = (typeof transferSets)[number];

type Row = Readonly<Record<TransferSet, string>>;

/** Table 11: mean average precision of VOC, mean class recall of Caltech, of D, E and both. */
export const TABLE_11: readonly [d: Row, e: Row, both: Row] = [
  { 'VOC-2007': '89.3', 'VOC-2012': '89.0', 'Caltech-101': '91.8 ± 1.0', 'Caltech-256': '85.0 ± 0.2' },
  { 'VOC-2007': '89.3', 'VOC-2012': '89.0', 'Caltech-101': '92.3 ± 0.5', 'Caltech-256': '85.1 ± 0.3' },
  { 'VOC-2007': '89.7', 'VOC-2012': '89.3', 'Caltech-101': '92.7 ± 0.5', 'Caltech-256': '86.2 ± 0.3' },
];
