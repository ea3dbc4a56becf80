import type { Command } from 'commander';
import { version } from '../core/project.ts';
import { type Check, checks } from './checks.ts';
import { newCommand } from './command.ts';
import { jsonOption } from './options.ts';
import { printAs } from './output.ts';

/** What `vgg doctor --json` prints. */
interface Diagnosis {
  readonly version: string;
  /** Whether nothing is missing; warnings do not count. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

/** `vgg doctor`: what this machine has and lacks. */
export function doctorCommand(): Command {
  return newCommand('doctor', {
    description: 'Say what this machine has and lacks; exits with 1 when something needed is missing.',
    examples: ['doctor', 'doctor --json'],
  })
    .addOption(jsonOption())
    .action(examine);
}

async function examine(flags: { readonly json?: boolean }): Promise<void> {
  const found: Check[] = [];
  for (const check of checks) found.push(await check());
  const ok = found.every(({ status }) => status !== 'missing');
  printAs<Diagnosis>({ version, ok, checks: found }, flags, formatDiagnosis);
  if (!ok) process.exitCode = 1;
}

const marks = { ok: '✓', warning: '!', missing: '✗' } as const;

function formatDiagnosis({ ok, checks: found }: Diagnosis): string {
  const width = Math.max(...found.map(({ name }) => name.length));
  const lines = found.flatMap(({ name, status, found: what, remedy }) => [
    `${marks[status]} ${name.padEnd(width)}  ${what}`,
    ...(remedy ? [`${' '.repeat(width + 4)}→ ${remedy}`] : []),
  ]);
  const verdict = ok ? 'Everything needed is here.' : 'Something needed is missing: see ✗ above.';
  return [`verydeep ${version}`, ...lines, verdict].join('\n');
}
