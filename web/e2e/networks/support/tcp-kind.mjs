// Runs on a person's machine: what becomes of a TCP connection to a host and of its first bytes.
//
//   node tcp-kind.mjs HOST PORT HEX
//
// Prints `answered`, `reset`, or `silence`.
import { connect } from 'node:net';

const PATIENCE_MS = 300;

const [host = '', port = '', hex = ''] = process.argv.slice(2);
const end = (word) => {
  console.log(word);
  process.exit();
};
const socket = connect({ host, port: Number(port) });
socket.on('connect', () => socket.write(Buffer.from(hex, 'hex')));
socket.on('data', () => end('answered'));
socket.on('error', () => end('reset'));
setTimeout(() => end('silence'), PATIENCE_MS);
