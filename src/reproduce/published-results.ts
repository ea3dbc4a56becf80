/** The paper's results: top-1 / top-5 errors in per cent on ILSVRC-2012's validation images (Tables 3 to 7). */
import type { Protocol } from '../evaluate/protocol/protocol.ts';
import type { ConfigurationName } from '../net/configurations.ts';

export type Errors = readonly [top1: number, top5: number];

/** Columns of Tables 3 and 4: S = 256, S = 384, S in [256, 512]. */
type Columns = readonly [fixed256: Errors | null, fixed384: Errors | null, jittered: Errors | null];

/** Single test scale: Q = S, or 0.5 (Smin + Smax). */
// biome-ignore format: one row per network, as in the paper
export const TABLE_3: Partial<Record<ConfigurationName, Columns>> = {
  A: [[29.6, 10.4], null, null],
  'A-LRN': [[29.7, 10.5], null, null],
  B: [[28.7, 9.9], null, null],
  C: [[28.1, 9.4], [28.1, 9.3], [27.3, 8.8]],
  D: [[27.0, 8.8], [26.8, 8.7], [25.6, 8.1]],
  E: [[27.3, 9.0], [26.9, 8.7], [25.5, 8.0]],
};

/** Three test scales: {S − 32, S, S + 32}, or {Smin, 0.5 (Smin + Smax), Smax}. */
// biome-ignore format: one row per network, as in the paper
export const TABLE_4: Partial<Record<ConfigurationName, Columns>> = {
  B: [[28.2, 9.6], null, null],
  C: [[27.7, 9.2], [27.8, 9.2], [26.3, 8.2]],
  D: [[26.6, 8.6], [26.5, 8.6], [24.8, 7.5]],
  E: [[26.9, 8.7], [26.7, 8.6], [24.8, 7.5]],
};

type Protocols = Readonly<Partial<Record<Protocol, Errors>>>;

/** Jittered nets at Q = {256, 384, 512}. */
export const TABLE_5: Partial<Record<ConfigurationName, Protocols>> = {
  D: { dense: [24.8, 7.5], crops: [24.6, 7.5], both: [24.4, 7.2] },
  E: { dense: [24.8, 7.5], crops: [24.6, 7.4], both: [24.4, 7.1] },
};

/** Fusion of D and E, both jittered; and of the seven nets submitted, dense. */
export const TABLE_6: { readonly best: Protocols; readonly all: Errors } = {
  best: { dense: [24.0, 7.1], crops: [23.9, 7.2], both: [23.7, 6.8] },
  all: [24.7, 7.5],
};

/** Results of others: top-1 validation, top-5 validation, top-5 test. */
export const TABLE_7: readonly (readonly [
  method: string,
  top1: number | null,
  top5: number | null,
  top5Test: number | null,
])[] = [
  ['VGG (2 nets, multi-crop & dense)', 23.7, 6.8, 6.8],
  ['VGG (1 net, multi-crop & dense)', 24.4, 7.1, 7.0],
  ['VGG (ILSVRC submission, 7 nets, dense)', 24.7, 7.5, 7.3],
  ['GoogLeNet (1 net)', null, 7.9, null],
  ['GoogLeNet (7 nets)', null, 6.7, null],
  ['MSRA (11 nets)', null, null, 8.1],
  ['MSRA (1 net)', 27.9, 9.1, 9.1],
  ['Clarifai (several nets)', null, null, 11.7],
  ['Clarifai (1 net)', null, null, 12.5],
  ['Zeiler & Fergus (6 nets)', 36.0, 14.7, 14.8],
  ['Zeiler & Fergus (1 net)', 37.5, 16.0, 16.1],
  ['OverFeat (7 nets)', 34.0, 13.2, 13.6],
  ['OverFeat (1 net)', 35.7, 14.2, null],
  ['Krizhevsky et al. (5 nets)', 38.1, 16.4, 16.4],
  ['Krizhevsky et al. (1 net)', 40.7, 18.2, null],
];
