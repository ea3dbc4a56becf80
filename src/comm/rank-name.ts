/** For people: `rank 3 on node7 (process 4711)`. */
export function nameOfRank(rank: number, host: string, pid: number): string {
  return `rank ${rank} on ${host} (process ${pid})`;
}
