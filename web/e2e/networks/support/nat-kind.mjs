// Runs on a person's machine: finds out what its NAT does (RFC 5780, section 4), with two hosts to help.
//
//   node nat-kind.mjs HOST HOST
//
// Prints one line of JSON: the ports under which the hosts see one socket, and who could answer it.
import { createSocket } from 'node:dgram';

/** A hundred times longer than an answer takes here: what has not come by then will not come. */
const PATIENCE_MS = 300;

const answers = [];
// Another port each time: what a router remembers of the last one is not what it does now.
const socket = createSocket('udp4').bind();
socket.on('message', (message, { address }) =>
  answers.push({ host: address, ...JSON.parse(String(message)) }),
);
socket.on('listening', () => {
  for (const host of process.argv.slice(2)) socket.send('whoami', 7000, host);
  setTimeout(() => {
    const asked = answers.filter(({ from }) => from === 'asked');
    console.log(
      JSON.stringify({
        hosts: asked.length,
        ports: new Set(asked.map(({ port }) => port)).size,
        others: answers.length - asked.length,
      }),
    );
    process.exit();
  }, PATIENCE_MS);
});
