import type { Place } from '../../support/server.ts';
import type { Host } from './internet.ts';

/** A server on a host, on the port that production uses. */
export async function onHost({ machine, address }: Host, options: readonly string[] = []): Promise<Place> {
  const port = 443;
  const tunnel = await machine.tunnel(port);
  return {
    origin: `https://${address}`,
    port,
    options: ['--listen', `0.0.0.0:${port}`, '--public-address', address, ...options],
    start: (command, args, env) => machine.spawn(command, args, env),
    fetch: (path, request) => fetch(`http://127.0.0.1:${tunnel}${path}`, request),
  };
}
