/** `conclave check` says of each network what the calls of the other tests found out by trying. */
import { program } from '../support/paths.ts';
import { ada } from '../support/people.ts';
import { expect, test } from './support/fixtures.ts';
import { inWords, type Network } from './support/rules.ts';

const RUNGS = ['page', 'websocket', 'udp', 'tcp', 'turn-udp', 'turn-tcp', 'turn-tls'] as const;
type Rung = (typeof RUNGS)[number];

interface Report {
  verdict: 'works' | 'partly' | 'fails';
  rungs: { name: Rung | 'certificate'; works: boolean | null }[];
}

const CASES: readonly { network: Network; closed: readonly Rung[] }[] = [
  { network: 'open', closed: [] },
  { network: 'symmetric', closed: [] },
  { network: 'udp-blocked', closed: ['udp', 'turn-udp'] },
  { network: 'only-tcp-443', closed: ['udp', 'turn-udp'] },
  { network: 'only-tls-443', closed: ['udp', 'turn-udp', 'tcp', 'turn-tcp'] },
];

for (const { network, closed } of CASES) {
  test(`conclave check: ${inWords[network]}`, async ({ world, guests }) => {
    const { home } = await guests.arrive(ada);
    home.use(network);
    const { output } = await home.machine.attempt(program, [
      'check',
      '--insecure',
      '--json',
      world.server.origin,
    ]);
    const report = JSON.parse(output) as Report;
    expect(report.verdict).toBe(closed.length === 0 ? 'works' : 'partly');
    const found = RUNGS.filter((name) =>
      report.rungs.some((rung) => rung.name === name && rung.works === false),
    );
    expect(found, output).toEqual(RUNGS.filter((rung) => closed.includes(rung)));
  });
}
