import { systemClock } from '../clock';
import { webSocketTo } from '../socket';
import type { CheckEnvironment } from './network-check';

export function browserCheck(): CheckEnvironment {
  return {
    clock: systemClock,
    openSocket: webSocketTo('/api/v1/check'),
    fetchPage: async () => (await fetch('/healthz', { cache: 'no-store' })).status,
    createConnection: (configuration) => new RTCPeerConnection(configuration),
    online: () => navigator.onLine,
  };
}
