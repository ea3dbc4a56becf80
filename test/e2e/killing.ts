/** Killing a command at random moments, until it may end. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Victim {
  /** Starts the command; `again`, after it was killed. */
  start(again: boolean): ChildProcess;
  /** Resolves once there is something to lose (default: at once). */
  atWork?(child: ChildProcess): Promise<void>;
  /** Hears of each process's end. */
  ended?(): Promise<void>;
  /** Removes all that the command has left behind. */
  forget(): Promise<void>;
}

/**
 * Kills up to `most` processes, each within so many milliseconds of being at work, and lets the next one end. How fast
 * this machine is nobody knows beforehand: where the command ends before it was ever killed, it begins anew, and has
 * half the time.
 * @returns how often it was killed, at least once
 */
export async function killAtRandom(victim: Victim, most: number, milliseconds: number): Promise<number> {
  for (let within = milliseconds; within >= 1; within /= 2) {
    const kills = await killSome(victim, most, within);
    if (kills > 0) return kills;
    await victim.forget();
  }
  throw new assert.AssertionError({ message: 'it was never killed' });
}

async function killSome({ start, atWork, ended }: Victim, most: number, within: number): Promise<number> {
  for (let kills = 0; ; ) {
    const child = start(kills > 0);
    const exit = once(child, 'exit');
    const moment = async () => {
      await atWork?.(child);
      await sleep(Math.random() * within);
      return true;
    };
    const running = kills < most && (await Promise.race([exit.then(() => false), moment()]));
    const killed = running && child.kill('SIGKILL');
    const [code] = await exit;
    await ended?.();
    if (code === 0) return kills;
    assert.ok(killed && code === null, 'it ended by itself, with an error');
    kills++;
  }
}
