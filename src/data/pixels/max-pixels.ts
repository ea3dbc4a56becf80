/** Beyond any photograph, and small enough (300 MB) that a hostile image cannot exhaust the memory. */
export const DEFAULT_MAX_PIXELS = 100_000_000;
