/** A network namespace: a machine, as far as its network is concerned. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** How long a command that sets something up may take. */
const COMMAND_MS = 10_000;
/** How long one that measures something may take. */
const ATTEMPT_MS = 60_000;

export class Namespace {
  readonly #scratch = mkdtempSync(join(tmpdir(), 'conclave-networks-'));
  readonly #children = new Set<ChildProcess>();
  readonly #tunnels: Server[] = [];

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

  /** Runs a command that takes a while, or says no by its exit code. */
  async attempt(
    command: string,
    args: readonly string[],
    timeout = ATTEMPT_MS,
  ): Promise<{ code: number | null; output: string }> {
    const child = this.spawn(command, args);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.resume();
    child.stdin?.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    return { code, output };
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

  /**
   * Makes a port of the namespace's loopback reachable from here, where the tests run, without a route
   * between the two: each connection is carried by a process.
   * @param local the port here; any that is free if 0.
   * @returns the port here.
   */
  async tunnel(port: number, local = 0): Promise<number> {
    const carry = `const { connect } = require('node:net');
      const socket = connect(${port}, '127.0.0.1').on('error', () => process.exit());
      process.stdin.pipe(socket).pipe(process.stdout);`;
    const server = createServer((socket) => {
      const child = this.spawn(process.execPath, ['--eval', carry]);
      if (child.stdin === null || child.stdout === null) throw new Error('spawned with pipes');
      socket.pipe(child.stdin).on('error', () => socket.destroy());
      child.stdout.pipe(socket).on('error', () => child.kill());
    });
    this.#tunnels.push(server);
    server.listen(local, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as { port: number }).port;
  }

  /** A program that starts another one in here, for those who start it by a path. */
  launcher(executable: string): string {
    const path = join(this.#scratch, basename(executable));
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} ${executable} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  remove(): void {
    for (const tunnel of this.#tunnels) tunnel.close();
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
