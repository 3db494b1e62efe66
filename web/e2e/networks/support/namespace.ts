/** A network namespace: a machine, as far as its network is concerned. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How long a command that sets something up may take. */
const COMMAND_MS = 10_000;

export class Namespace {
  readonly #scratch = mkdtempSync(join(tmpdir(), 'conclave-networks-'));
  readonly #children = new Set<ChildProcess>();

  /** @param name one that no other namespace has. */
  constructor(readonly name: string) {
    run('ip', ['netns', 'add', name]);
    // IPv6 makes addresses by itself, seconds later: browsers take that for a change of network.
    this.#set('ipv6/conf/default/disable_ipv6');
    this.ip('link set lo up');
  }

  /** `ip` inside, arguments parted by spaces. */
  ip(command: string): void {
    run('ip', ['-n', this.name, ...command.split(' ')]);
  }

  /** Replaces all of the namespace's packet filter and address translation at once. */
  filter(rules: string): void {
    this.run('nft', ['-f', '-'], `flush ruleset\n${rules}`);
  }

  /** Passes on what is not for itself. */
  forward(): void {
    this.#set('ipv4/ip_forward');
  }

  /** Runs a command to its end; returns what it printed. */
  run(command: string, args: readonly string[], input = '', timeout = COMMAND_MS): string {
    return run('ip', ['netns', 'exec', this.name, command, ...args], input, timeout);
  }

  /** Starts a program that ends at the latest when the namespace does. */
  spawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, command, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env,
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** A program that starts another one in here, for those who start it by a path. */
  launcher(executable: string): string {
    const path = join(this.#scratch, 'launch');
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} ${executable} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  remove(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.#scratch, { recursive: true, force: true });
    run('ip', ['netns', 'delete', this.name]);
  }

  #set(option: string): void {
    this.run('sh', ['-c', `echo 1 > /proc/sys/net/${option}`]);
  }
}

/** A cable between two machines: each end has a name, as the machine at that end calls it. */
export function cable(
  [one, oneName]: readonly [Namespace, string],
  [other, otherName]: readonly [Namespace, string],
): void {
  one.ip(`link add ${oneName} type veth peer name ${otherName} netns ${other.name}`);
  one.ip(`link set ${oneName} up`);
  other.ip(`link set ${otherName} up`);
}

/** Takes away what a worker that crashed has left; nobody else makes namespaces here. */
export function removeAll(): void {
  for (const line of run('ip', ['netns', 'list']).split('\n')) {
    const [name = ''] = line.split(' ');
    if (name !== '') run('ip', ['netns', 'delete', name]);
  }
}

function run(command: string, args: readonly string[], input = '', timeout = COMMAND_MS): string {
  return execFileSync(command, args, { input, timeout, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}
