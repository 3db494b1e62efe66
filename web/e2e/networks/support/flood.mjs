// Runs on a machine of its own: opens very many connections to a server and finishes none of them, holds
// them until its standard input ends, and says in one line of JSON what became of each kind.
//
//   node flood.mjs HOST COUNT
//
// COUNT TCP connections at a bounded rate: a tenth finishes TLS and sends half of a WebSocket upgrade,
// the others say nothing, half a TLS ClientHello, or half a request. And COUNT DTLS ClientHellos, from
// ports that no STUN check has validated.
import { createSocket } from 'node:dgram';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

const [host = '', wanted = '0'] = process.argv.slice(2);
const count = Number(wanted);
const port = 443;
/** Connections a second: ten thousand take as long as a call needs to notice. */
const RATE = 1_000;
const TICK_MS = 20;
const UDP_SOCKETS = 200;

const half = {
  silent: Buffer.alloc(0),
  tls: Buffer.from('160301020001', 'hex'),
  http: Buffer.from('GET /api/v1/signal HTTP/1.1\r\nHost: x\r\nUpgr'),
};
// A DTLS 1.2 handshake record with the beginning of a ClientHello (RFC 6347, section 4.2.2).
const clientHello = Buffer.concat([
  Buffer.from('16fefd000000000000000000b8010000ac00000000000000acfefd', 'hex'),
  Buffer.alloc(32, 7),
  Buffer.from('0000000010c02bc02fc00ac009c013c014009c002f', 'hex'),
  Buffer.alloc(125),
]);

const result = { opened: 0, closedByServer: 0, refused: 0, upgrades: 0, hellos: 0, answers: 0 };
const sockets = new Set();

function hold(socket) {
  sockets.add(socket);
  let open = false;
  socket.on('connect', () => {
    open = true;
    result.opened += 1;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    sockets.delete(socket);
    result[open ? 'closedByServer' : 'refused'] += 1;
  });
  socket.resume();
  return socket;
}

function openOne(number) {
  if (number % 10 === 0) {
    const socket = hold(connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }));
    socket.on('secureConnect', () => {
      result.upgrades += 1;
      socket.write(half.http);
    });
    return;
  }
  const socket = hold(connectTcp({ host, port }));
  const bytes = [half.silent, half.tls, half.http][number % 3];
  socket.on('connect', () => bytes.length > 0 && socket.write(bytes));
}

const strangers = Array.from({ length: UDP_SOCKETS }, () => {
  const socket = createSocket('udp4').bind();
  socket.on('message', () => (result.answers += 1));
  socket.on('error', () => undefined);
  return socket;
});

let next = 0;
const timer = setInterval(() => {
  for (let each = 0; each < (RATE * TICK_MS) / 1000 && next < count; each += 1, next += 1) {
    openOne(next);
    strangers[next % UDP_SOCKETS].send(clientHello, port, host);
    result.hellos += 1;
  }
  if (next >= count) {
    clearInterval(timer);
    console.log('sent');
  }
}, TICK_MS);

process.stdin.on('end', () => {
  console.log(JSON.stringify(result));
  process.exit();
});
process.stdin.resume();
