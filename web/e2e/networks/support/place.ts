import type { Place } from '../../support/server.ts';
import type { Host } from './internet.ts';
import type { Namespace } from './namespace.ts';

/** A server on a host, on the port that production uses. */
export function onHost({ machine, address }: Host, options: readonly string[] = []): Place {
  return {
    origin: `https://${address}`,
    port: 443,
    options: ['--listen', '0.0.0.0:443', '--public-address', address, ...options],
    start: (command, args, env) => machine.spawn(command, args, env),
    fetch: (path, request = {}) => Promise.resolve(fetchIn(machine, `http://127.0.0.1:443${path}`, request)),
  };
}

/** A request from inside a namespace, by a process of its own: this one lives outside. */
function fetchIn(
  namespace: Namespace,
  url: string,
  request: RequestInit,
): { ok: boolean; status: number; text: () => Promise<string> } {
  const script = `
    let input = '';
    for await (const chunk of process.stdin) input += chunk;
    const { url, request } = JSON.parse(input);
    const response = await fetch(url, { ...request, redirect: 'manual' });
    console.log(JSON.stringify({ ok: response.ok, status: response.status, body: await response.text() }));`;
  const output = namespace.run(
    process.execPath,
    ['--input-type=module', '--eval', script],
    JSON.stringify({ url, request }),
  );
  const { ok, status, body } = JSON.parse(output) as { ok: boolean; status: number; body: string };
  return { ok, status, text: () => Promise.resolve(body) };
}
