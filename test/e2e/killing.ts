/** Killing a command at random moments until it completes. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Victim {
  /** Starts the command, or continues what it has begun. */
  start(): ChildProcess;
  /** Resolves once the command is at work (default: immediately). */
  atWork?(child: ChildProcess): Promise<void>;
  /** Called when a process has ended. */
  ended?(): Promise<void>;
  /** Removes everything that the command left behind. */
  forget(): Promise<void>;
}

/**
 * Kills up to `most` processes, each within so many milliseconds of being at work, and lets the next one complete. The
 * speed of the machine is not known beforehand: if the command completes before it is ever killed, it starts again with
 * half the time.
 * @returns the number of kills, at least 1
 */
export async function killAtRandom(victim: Victim, most: number, milliseconds: number): Promise<number> {
  for (let within = milliseconds; within >= 1; within /= 2) {
    const kills = await killSome(victim, most, within);
    if (kills > 0) return kills;
    await victim.forget();
  }
  throw new assert.AssertionError({ message: 'the command was never killed' });
}

async function killSome({ start, atWork, ended }: Victim, most: number, within: number): Promise<number> {
  for (let kills = 0; ; ) {
    const child = start();
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
    assert.ok(killed && code === null, 'the command failed without being killed');
    kills++;
  }
}
