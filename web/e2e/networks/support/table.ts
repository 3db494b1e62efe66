/** The table in docs/networks.md: which way media takes from where, and how soon a picture is there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from '@playwright/test';
import { typesOf, type Promised, type SelectedPair } from './path.ts';
import { inWords, NETWORKS, type Network } from './rules.ts';

const DOCUMENT = fileURLToPath(new URL('../../../../docs/networks.md', import.meta.url));
const COLUMNS = ['Call', 'Network', 'Way', 'Candidates', 'First picture'] as const;

export interface Measured {
  kind: 'direct' | 'room';
  networks: readonly Network[];
  ways: readonly Promised[];
  pairs: readonly SelectedPair[];
  firstFrameMs: number;
}

type Row = Record<(typeof COLUMNS)[number], string>;

const KINDS: Record<Measured['kind'], string> = {
  direct: 'two, directly',
  room: 'three, through the server',
};

const WAYS: Record<Promised, string> = {
  udp: 'UDP',
  tcp: 'ICE-TCP',
  'turn-udp': 'TURN/UDP',
  'turn-tcp': 'TURN/TCP',
  'turn-tls': 'TURN/TLS',
  'turn-stream': 'TURN/TCP or TLS',
  turn: 'TURN',
};

/**
 * Prints what was measured. The document must say the same of the way, and nothing is asked of the time:
 * machines differ. With UPDATE=1 the document is changed instead.
 */
export function record(measured: Measured): void {
  const row = rowOf(measured);
  console.log(`    ${COLUMNS.map((column) => row[column]).join(' | ')}`);
  const { before, rows, after } = read();
  const documented = rows.find((each) => sameCase(each, row));
  if (process.env.UPDATE === '1') {
    const others = rows.filter((each) => each !== documented);
    writeFileSync(DOCUMENT, `${before}${print([...others, row].sort(inOrder))}${after}`);
    return;
  }
  expect(documented?.Way, 'docs/networks.md, which UPDATE=1 scripts/networks.sh brings up to date').toBe(
    row.Way,
  );
}

function rowOf({ kind, networks, ways, pairs, firstFrameMs }: Measured): Row {
  const both = (words: readonly string[]) =>
    new Set(words).size === 1 ? (words[0] ?? '') : words.join(', ');
  return {
    Call: KINDS[kind],
    Network: networks.map((network) => inWords[network]).join(' × '),
    Way: both(ways.map((way) => WAYS[way])),
    Candidates: both(pairs.map(typesOf)),
    'First picture': `${(firstFrameMs / 1000).toFixed(1)} s`,
  };
}

function sameCase(a: Row, b: Row): boolean {
  return a.Call === b.Call && a.Network === b.Network;
}

function inOrder(a: Row, b: Row): number {
  const kinds = Object.values(KINDS);
  const names: string[] = NETWORKS.map((network) => inWords[network]);
  const rank = ({ Call, Network }: Row) => [
    kinds.indexOf(Call),
    ...Network.split(' × ').map((name) => names.indexOf(name)),
  ];
  const [left, right] = [rank(a), rank(b)];
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const BEGIN = '<!-- measured: begin -->\n';
const END = '<!-- measured: end -->';

function read(): { before: string; rows: Row[]; after: string } {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${DOCUMENT} has lost its markers`);
  const rows = text
    .slice(begin + BEGIN.length, end)
    .split('\n')
    .slice(2)
    .filter((line) => line.startsWith('|'))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      return Object.fromEntries(COLUMNS.map((column, index) => [column, cells[index + 1] ?? ''])) as Row;
    });
  return { before: text.slice(0, begin + BEGIN.length), rows, after: text.slice(end) };
}

function print(rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return [
    line(COLUMNS),
    line(COLUMNS.map(() => '---')),
    ...rows.map((row) => line(COLUMNS.map((column) => row[column]))),
  ].join('');
}
