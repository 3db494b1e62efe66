/**
 * A small internet: a core that only passes packets on, hosts with public addresses, and for each person a
 * home with a router. Nothing in it leads to a real network. All addresses are from the blocks for
 * documentation (RFC 5737): they look public to a browser.
 *
 *     person ── wifi ─ router ────┐
 *         └─── phone ─ router ── core ── hosts, 203.0.113.10 and on
 */
import { cable, Namespace, removeAll } from './namespace.ts';
import { rules, type Network } from './rules.ts';

/** The next hop of everybody. */
const CORE = '203.0.113.1';

/** A machine that everybody can reach. */
export interface Host {
  readonly machine: Namespace;
  readonly address: string;
}

export class Internet {
  readonly #core: Namespace;
  readonly #hosts: Host[] = [];
  readonly #homes: Home[] = [];

  constructor() {
    removeAll();
    this.#core = new Namespace('core');
    this.#core.forward();
    this.#core.ip(`addr add ${CORE}/32 dev lo`);
  }

  /** Up to fifty machines with a public address each; what they send and receive is not restricted. */
  host(name: string): Host {
    const host = { machine: new Namespace(name), address: `203.0.113.${10 + this.#hosts.length}` };
    this.#hosts.push(host);
    cable([this.#core, `to-${name}`], [host.machine, 'wan']);
    this.#core.ip(`route add ${host.address} dev to-${name}`);
    host.machine.ip(`addr add ${host.address}/32 dev wan`);
    host.machine.ip(`route add default via ${CORE} dev wan onlink`);
    return host;
  }

  /** A home with an uplink. Its network is open until told otherwise. */
  home(): Home {
    const number = this.#homes.length + 1;
    const home = new Home(number, (router, address, inside) => {
      const name = `to-${router.name}`;
      cable([this.#core, name], [router, 'wan']);
      this.#core.ip(`route add ${address} dev ${name}`);
      this.#core.ip(`route add ${inside} via ${address} dev ${name} onlink`);
    });
    this.#homes.push(home);
    return home;
  }

  remove(): void {
    for (const home of this.#homes) home.remove();
    for (const { machine } of this.#hosts) machine.remove();
    this.#core.remove();
  }
}

type Connect = (router: Namespace, address: string, inside: string) => void;

/** One way from a home to the internet. */
class Uplink {
  readonly router: Namespace;
  readonly #inside: string;
  readonly #gateway: string;

  constructor(
    readonly name: 'wifi' | 'phone',
    private readonly person: Namespace,
    number: number,
    connect: Connect,
  ) {
    // The same address inside whether it is translated or not, so that a network can change its kind
    // while browsers are open: only the router's rules differ.
    const prefix = name === 'wifi' ? '198.51.100' : '192.0.2';
    this.#gateway = `${prefix}.${number * 16 + 1}`;
    this.#inside = `${prefix}.${number * 16 + 2}`;
    const outside = `203.0.113.${(name === 'wifi' ? 100 : 150) + number}`;
    this.router = new Namespace(`${person.name}-${name}`);
    this.router.forward();
    connect(this.router, outside, `${prefix}.${number * 16}/28`);
    this.router.ip(`addr add ${outside}/32 dev wan`);
    this.router.ip(`route add default via ${CORE} dev wan onlink`);
    cable([this.router, 'lan'], [person, name]);
    this.router.ip(`addr add ${this.#gateway}/28 dev lan`);
    this.unplug();
    this.use('open');
  }

  use(network: Network, except?: string): void {
    this.router.filter(rules(network, this.#inside, except));
  }

  /** A line that carries so little to the person, behind a queue of 300 ms; what does not fit in there is lost. */
  narrow(kbitPerSecond: number): void {
    this.router.run('tc', [
      ...['qdisc', 'replace', 'dev', 'lan', 'root'],
      ...['tbf', 'rate', `${kbitPerSecond}kbit`, 'burst', '4kb', 'latency', '300ms'],
    ]);
  }

  /** A line on which such a share of what goes to the person is lost, by chance; 0 is none. */
  lose(percent: number): void {
    // Not by netem, which kernels may lack. Beside the network's own rules, and after them.
    const chain = 'add chain ip chance lost { type filter hook forward priority 10; }';
    const rule = `add rule ip chance lost oifname "lan" numgen random mod 100 < ${percent} drop`;
    this.router.run('nft', [`add table ip chance; ${chain}; flush chain ip chance lost; ${rule}`]);
  }

  widen(): void {
    // Says no if it is wide already.
    this.router.run('sh', ['-c', 'tc qdisc delete dev lan root 2>/dev/null || true']);
  }

  limited(): number {
    const [, packets] =
      /packets (\d+)/.exec(this.router.run('nft', ['list', 'counter', 'ip', 'site', 'limited'])) ?? [];
    return Number(packets ?? 0);
  }

  plug(): void {
    this.person.ip(`link set ${this.name} up`);
    this.person.ip(`addr replace ${this.#inside}/28 dev ${this.name}`);
    this.person.ip(`route replace default via ${this.#gateway} dev ${this.name}`);
  }

  unplug(): void {
    this.person.ip(`addr flush dev ${this.name}`);
    this.person.ip(`link set ${this.name} down`);
  }
}

/** Where a person sits: their machine, its Wi-Fi, and a phone to go on with. */
export class Home {
  /** The person's machine. */
  readonly machine: Namespace;
  readonly #wifi: Uplink;
  readonly #phone: Uplink;

  constructor(number: number, connect: Connect) {
    this.machine = new Namespace(`home-${number}`);
    this.#wifi = new Uplink('wifi', this.machine, number, connect);
    this.#phone = new Uplink('phone', this.machine, number, connect);
    this.#wifi.plug();
  }

  /** What kind of network the Wi-Fi is from now on; new flows are treated so. */
  use(network: Network, except?: string): void {
    this.#wifi.use(network, except);
  }

  /** How much the Wi-Fi brings to the person from now on; null: all there is. */
  narrow(kbitPerSecond: number | null): void {
    if (kbitPerSecond === null) this.#wifi.widen();
    else this.#wifi.narrow(kbitPerSecond);
  }

  /** What share of what the Wi-Fi brings is lost by chance from now on, in percent. */
  lose(percent: number): void {
    this.#wifi.lose(percent);
  }

  /** Packets that the Wi-Fi's limit has dropped since the network was chosen. */
  limited(): number {
    return this.#wifi.limited();
  }

  /** Leaves the Wi-Fi for a phone's network: other interface, other address, other NAT. */
  moveToPhone(network: Network): void {
    this.#phone.use(network);
    this.#wifi.unplug();
    this.#phone.plug();
  }

  moveBack(): void {
    this.#phone.unplug();
    this.#wifi.plug();
  }

  remove(): void {
    for (const each of [this.#wifi.router, this.#phone.router, this.machine]) each.remove();
  }
}
