/** `vgg doctor --mpi`: checks whether the ranks can train together. */
import { type Agreement, diagnoseRanks, type RankDiagnosis } from '../../api/diagnose-ranks.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { formatBytes } from '../../report/format.ts';
import { tableOf } from '../../report/table.ts';
import { log, printAs } from '../output.ts';

export async function examineRanks(
  communicator: Communicator,
  data: string | undefined,
  flags: { readonly json?: boolean },
): Promise<void> {
  const diagnosis = await diagnoseRanks(communicator, data);
  const note = diagnosis.ranks[0]!.unused;
  if (note !== undefined) log(note);
  const ok = diagnosis.agreements.every(({ agreed, needed }) => agreed || !needed);
  printAs({ ok, ...diagnosis }, flags, formatDiagnosis);
  if (!ok) process.exitCode = 1;
}

function formatDiagnosis(diagnosis: RankDiagnosis & { readonly ok: boolean }): string {
  const { ok, ranks, agreements, latency, exchanges } = diagnosis;
  return [
    tableOf(ranks, [
      ['rank', ({ name }) => name],
      ['cores', ({ cores }) => String(cores)],
      ['images', ({ images }) => images ?? '–'],
      ['backend', ({ backend }) => backend],
    ]),
    ...agreements.map(formatAgreement),
    tableOf(exchanges, [
      ['all-reduce', ({ bytes }) => formatBytes(bytes), 'right'],
      ['time', ({ seconds }) => `${(1000 * seconds).toFixed(2)} ms`, 'right'],
      ['sent by each rank', ({ gigabitsPerSecond }) => `${gigabitsPerSecond.toFixed(2)} Gbit/s`, 'right'],
    ]),
    `latency of the smallest all-reduce: ${(1e6 * latency).toFixed(0)} µs (${ranks[0]!.mpi})`,
    ok ? 'These ranks can train together.' : 'These ranks cannot train together: fix what is marked ✗ above.',
  ].join('\n');
}

function formatAgreement({ what, agreed, needed }: Agreement): string {
  if (agreed) return `✓ ${what}: the same on all ranks`;
  return needed
    ? `✗ ${what}: different; make it the same on all ranks`
    : `! ${what}: different; this affects at most the speed`;
}
