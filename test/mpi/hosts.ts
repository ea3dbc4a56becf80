/**
 * Hosts simulated by network namespaces: each has its own network interface, address and host name, and a cable with a
 * set rate to a switch. They share the disk, as the machines of a cluster share home folders.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isHydra, RANK_ENVIRONMENT, withoutMpi } from './ranks.ts';

/** Properties of the cables, in both directions. */
export interface Cable {
  /** Gbit/s. */
  readonly bandwidth?: number;
  /** One-way latency to another host, milliseconds. */
  readonly delay?: number;
}

/** Bytes that may be sent at once: at least the largest packets into which the kernel merges others. */
const BURST = 128 * 2 ** 10;
const INTERFACE = 'eth0';
/** Bytes of an IP packet through wire.py: few large ones, since each takes time there. */
const WIRE_MTU = 9000;
const USUAL_MTU = 1500;
/** Bytes of the headers of IP and TCP with a time stamp, and of the part of Ethernet's that tc counts. */
const HEADERS = 52;
const FRAME = 14;
const PREFIX = 'vgg';

export class Hosts {
  readonly count: number;
  readonly #prefix: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'verydeep-hosts-'));
  #wired = false;
  readonly #onExit = () => this.remove();

  /**
   * @param wire a command to run in place of a switch: creates the hosts' interfaces node1, node2, … in its namespace, and
   *   forwards their packets
   * @throws Error where the machine does not allow it; see `withoutHosts`.
   */
  constructor(count: number, wire?: readonly string[]) {
    removeOrphans();
    this.count = count;
    this.#prefix = `${PREFIX}-${process.pid}-${made++}`;
    process.on('exit', this.#onExit);
    ip('netns', 'add', this.#namespace('switch'));
    if (wire) this.#startWire(wire);
    else this.#addSwitch();
    for (let host = 1; host <= count; host++) {
      ip('netns', 'add', this.#namespace(nameOf(host)));
      if (wire) this.#takePort(host);
      else this.#plugIn(host);
      this.#startNetwork(host);
    }
    // mpirun calls it in place of ssh, with the host and then words for a shell.
    const agent = `#!/bin/sh\nhost=$1\nshift\nexec ${this.#enter('$host')} sh -c "hostname $host && $*"\n`;
    writeFileSync(this.#agent, agent, { mode: 0o700 });
  }

  get #agent(): string {
    return join(this.#folder, 'agent');
  }

  #addSwitch(): void {
    ip('-n', this.#namespace('switch'), 'link', 'add', 'name', 'switch0', 'type', 'bridge');
    ip('-n', this.#namespace('switch'), 'link', 'set', 'dev', 'switch0', 'up');
  }

  #plugIn(host: number): void {
    const hub = this.#namespace('switch');
    const port = ['link', 'add', 'name', nameOf(host), 'type', 'veth', 'peer', 'name', INTERFACE];
    ip('-n', hub, ...port, 'netns', this.#namespace(nameOf(host)));
    ip('-n', hub, 'link', 'set', 'dev', nameOf(host), 'master', 'switch0');
    ip('-n', hub, 'link', 'set', 'dev', nameOf(host), 'up');
  }

  #startWire(command: readonly string[]): void {
    this.#wired = true;
    const args = ['netns', 'exec', this.#namespace('switch'), ...command];
    spawn('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] }).unref();
  }

  /** Gives a host the wire's interface, once it exists. */
  #takePort(host: number): void {
    const find = ['-n', this.#namespace('switch'), 'link', 'show', 'dev', nameOf(host)];
    for (let tries = 0; spawnSync('ip', find).status !== 0; tries++) {
      if (tries > 100) throw new Error('the wire did not start');
      spawnSync('sleep', ['0.05']);
    }
    const own = this.#namespace(nameOf(host));
    ip('-n', this.#namespace('switch'), 'link', 'set', 'dev', nameOf(host), 'netns', own, 'name', INTERFACE);
  }

  #startNetwork(host: number): void {
    const own = this.#namespace(nameOf(host));
    ip('-n', own, 'address', 'add', `10.77.0.${host}/24`, 'dev', INTERFACE);
    ip('-n', own, 'link', 'set', 'dev', INTERFACE, 'mtu', String(this.#mtu), 'up');
    ip('-n', own, 'link', 'set', 'dev', 'lo', 'up');
  }

  get #mtu(): number {
    return this.#wired ? WIRE_MTU : USUAL_MTU;
  }

  /** The fraction of the bytes that tc counts against a cable's rate that is payload of TCP. */
  get payload(): number {
    return (this.#mtu - HEADERS) / (this.#mtu + FRAME);
  }

  /** Sets rate and latency of all cables. */
  shape({ bandwidth, delay }: Cable): void {
    for (let host = 1; host <= this.count; host++) {
      const ends = [
        [this.#namespace(nameOf(host)), INTERFACE],
        [this.#namespace('switch'), nameOf(host)],
      ] as const;
      for (const [namespace, device] of this.#wired ? ends.slice(0, 1) : ends) {
        // It fails the first time, when there is none.
        spawnSync('tc', ['-n', namespace, 'qdisc', 'delete', 'dev', device, 'root']);
        if (bandwidth !== undefined) addRate(namespace, device, bandwidth);
      }
      // Only at the switch: each packet passes through it once.
      if (delay) addDelay(this.#namespace('switch'), nameOf(host), delay, bandwidth !== undefined);
    }
  }

  /** Starts `node script …args` with one rank on each of the first hosts. */
  start(
    ranks: number,
    script: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    prefix: readonly string[] = [],
  ): ChildProcess {
    const hosts = Array.from({ length: ranks }, (_, i) => nameOf(i + 1)).join(',');
    const mpirun = ['mpirun', isHydra ? '-hosts' : '-H', hosts];
    const command = [...mpirun, ...prefix, process.execPath, script, ...args];
    return this.spawn(1, command, { ...RANK_ENVIRONMENT, ...this.#environment(), ...env });
  }

  /** Starts a command on one host. */
  spawn(host: number, command: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const [enter, ...words] = this.#enter(nameOf(host)).split(' ');
    const named = ['sh', '-c', `hostname ${nameOf(host)} && exec "$@"`, 'sh', ...command];
    return spawn(enter!, [...words, ...named], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      OMPI_MCA_plm_rsh_agent: this.#agent,
      PRTE_MCA_plm_ssh_agent: this.#agent,
      OMPI_MCA_btl: 'tcp,self',
      OMPI_MCA_pml: 'ob1',
      OMPI_MCA_btl_tcp_if_include: INTERFACE,
      OMPI_MCA_oob_tcp_if_include: INTERFACE,
      PRTE_MCA_oob_tcp_if_include: INTERFACE,
      PMIX_MCA_ptl_tcp_if_include: INTERFACE,
      HYDRA_LAUNCHER: 'rsh',
      HYDRA_LAUNCHER_EXEC: this.#agent,
      HYDRA_IFACE: INTERFACE,
    };
  }

  /** Bytes that a host has sent so far, including all headers. */
  bytesSent(host: number): number {
    const [link] = JSON.parse(
      ip('-json', '-stats', '-n', this.#namespace(nameOf(host)), 'link', 'show', INTERFACE),
    );
    return link.stats64.tx.bytes;
  }

  /** Unplugs a host's cable. */
  cut(host: number): void {
    ip('-n', this.#namespace('switch'), 'link', 'set', 'dev', nameOf(host), 'down');
  }

  /** Whether a host's processes include one with this word in its command line, other than the launcher's. */
  runs(host: number, word: string): boolean {
    return processesIn(this.#namespace(nameOf(host))).some((pid) => {
      const [program, ...args] = commandOf(pid);
      return program === process.execPath && args.includes(word);
    });
  }

  /** Ends all processes on the hosts. */
  endProcesses(): void {
    for (const name of namespaces().filter((name) => this.#owns(name))) endProcessesIn(name);
  }

  /** Removes the hosts and ends their processes. */
  remove(): void {
    process.off('exit', this.#onExit);
    removeNamespaces((name) => this.#owns(name));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #owns(namespace: string): boolean {
    return namespace.startsWith(`${this.#prefix}-`);
  }

  #namespace(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  #enter(host: string): string {
    return `ip netns exec ${this.#namespace(host)} unshare --uts`;
  }
}

let made = 0;

function nameOf(host: number): string {
  return `node${host}`;
}

function ip(...args: readonly string[]): string {
  return run('ip', args);
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function addRate(namespace: string, device: string, bandwidth: number): void {
  const rate = ['rate', `${Math.round(bandwidth * 1000)}mbit`, 'burst', String(BURST), 'latency', '50ms'];
  run('tc', ['-n', namespace, 'qdisc', 'add', 'dev', device, 'root', 'handle', '1:', 'tbf', ...rate]);
}

function addDelay(namespace: string, device: string, delay: number, below: boolean): void {
  const place = below ? ['parent', '1:1'] : ['root'];
  const wait = ['netem', 'delay', `${delay}ms`, 'limit', '100000'];
  run('tc', ['-n', namespace, 'qdisc', 'add', 'dev', device, ...place, ...wait]);
}

/** Removes the namespaces that a killed process left behind. */
function removeOrphans(): void {
  removeNamespaces((name) => {
    const owner = new RegExp(`^${PREFIX}-(\\d+)-\\d+-`).exec(name)?.[1];
    return owner !== undefined && !isAlive(Number(owner));
  });
}

function removeNamespaces(chosen: (name: string) => boolean): void {
  for (const name of namespaces().filter(chosen)) {
    endProcessesIn(name);
    ip('netns', 'delete', name);
  }
}

function endProcessesIn(namespace: string): void {
  for (const pid of processesIn(namespace)) kill(pid);
}

function processesIn(namespace: string): number[] {
  return ip('netns', 'pids', namespace).split('\n').filter(Boolean).map(Number);
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function namespaces(): string[] {
  try {
    return readdirSync('/run/netns');
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has already ended.
  }
}

/** Why there can be no such hosts on this machine, or false. */
export const withoutHosts: string | false = withoutMpi || missing();

function missing(): string | false {
  if (process.getuid?.() !== 0) return 'only root may make namespaces';
  for (const tool of ['ip', 'tc', 'unshare']) {
    if (spawnSync(tool, ['-V']).error)
      return `there is no ${tool} on this machine (Debian: iproute2, util-linux)`;
  }
  const hosts = tried(() => new Hosts(2));
  if (typeof hosts === 'string') return `this machine does not allow network namespaces: ${hosts}`;
  const problem = tried(() => hosts.shape({ bandwidth: 1 }));
  hosts.remove();
  return typeof problem === 'string' && `this machine cannot shape traffic: ${problem}`;
}

/** Whether cables can have a latency. */
export function canDelay(hosts: Hosts): boolean {
  const outcome = tried(() => hosts.shape({ delay: 1 }));
  hosts.shape({});
  return typeof outcome !== 'string';
}

function tried<T>(make: () => T): T | string {
  try {
    return make();
  } catch (error) {
    return (error as Error).message;
  }
}
