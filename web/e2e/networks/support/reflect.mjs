// Runs on a host: tells whoever sends a datagram to port 7000 from which address it came, once from the
// port that was asked and once from another one, which only a full-cone NAT lets through.
import { createSocket } from 'node:dgram';

const asked = createSocket('udp4').bind(7000);
const other = createSocket('udp4').bind(7001);
asked.on('message', (_message, { address, port }) => {
  asked.send(JSON.stringify({ from: 'asked', port }), port, address);
  other.send(JSON.stringify({ from: 'other', port }), port, address);
});
asked.on('listening', () => console.log('ready'));
