/** The connectivity check. `hint.` speaks to whoever runs the server or the network. */
export default {
  title: 'Connection check',
  link: 'Check this network',
  intro: 'Which ways to this server are open from where you are. No camera or microphone is used.',
  rungs: 'Ways to the server',
  again: 'Test again',
  copy: 'Copy the result as text',
  copied: 'Copied',
  copyFailed: 'The browser did not let the page copy. Select the text instead.',
  hints: 'What can be done',

  'verdict.testing': 'Testing…',
  'verdict.testing-text': 'This takes a few seconds.',
  'verdict.works-so-far': 'Meetings work from here.',
  'verdict.works-so-far-text': 'The best way for sound and picture is still being looked for.',
  'verdict.udp': 'Meetings work from here.',
  'verdict.udp-text': 'Sound and picture travel over UDP straight to the server: the best way there is.',
  'verdict.tcp': 'Meetings work from here, with more delay.',
  'verdict.tcp-text':
    'UDP does not get through, so sound and picture travel over TCP. When the network is busy they arrive later and may stop for a moment.',
  'verdict.turn-udp': 'Meetings work from here, through the server’s relay.',
  'verdict.turn-udp-text':
    'Sound and picture travel over UDP, but only by way of the relay: the address that the server gives out for media did not answer.',
  'verdict.turn-tcp': 'Meetings work from here, with more delay.',
  'verdict.turn-tcp-text':
    'Sound and picture travel over TCP by way of the server’s relay. When the network is busy they arrive later and may stop for a moment.',
  'verdict.turn-tls': 'Meetings work from here, with more delay.',
  'verdict.turn-tls-text':
    'Of the ways for sound and picture only one that looks like web traffic (TLS) gets through. Everything arrives a little later.',
  'verdict.no-page': 'The server does not answer.',
  'verdict.no-page-text':
    'Neither the page nor its live connection could be reached. Either your network has no way to the server, or the server is not running.',
  'verdict.no-websocket': 'Meetings cannot work from here.',
  'verdict.no-websocket-text':
    'Pages arrive, but the live connection (WebSocket) that a meeting needs is not let through.',
  'verdict.no-media': 'You can join and chat, but not be seen or heard.',
  'verdict.no-media-text':
    'The page works, but on none of the ways for sound and picture did an answer come back. Another network, such as a phone’s hotspot, may help.',
  'verdict.no-webrtc': 'This browser cannot carry sound and picture.',
  'verdict.no-webrtc-text': 'Its WebRTC is switched off, by a setting, an extension or a policy.',
  'verdict.busy': 'The check could not be made just now.',
  'verdict.busy-text': 'The server takes no more checks at the moment. Try again in a minute.',

  'rung.page': 'Page',
  'rung.page-about': 'Web pages from the server',
  'rung.websocket': 'Live connection',
  'rung.websocket-about': 'WebSocket: who is there, chat, setting up calls',
  'rung.udp': 'UDP',
  'rung.udp-about': 'Sound and picture, straight to the server',
  'rung.tcp': 'TCP',
  'rung.tcp-about': 'The same where UDP is blocked',
  'rung.turn-udp': 'Relay over UDP',
  'rung.turn-udp-about': 'TURN: for direct calls between two closed networks',
  'rung.turn-tcp': 'Relay over TCP',
  'rung.turn-tcp-about': 'TURN where UDP is blocked',
  'rung.turn-tls': 'Relay over TLS',
  'rung.turn-tls-about': 'TURN that looks like web traffic, for the strictest networks',

  'state.waiting': 'Waiting',
  'state.running': 'Testing…',
  'state.works': 'Works',
  'state.fails': 'Does not work',
  'state.unknown': 'Not tested',

  'failure.no-answer': 'No answer came back.',
  'failure.closed': 'The connection could not be made, or was cut.',
  'failure.no-relay': 'The browser got no relay.',
  'failure.refused': 'Refused with code {code}.',
  'failure.nothing-through': 'A relay was there, but nothing came through it.',
  'failure.not-offered': 'This server does not offer it.',
  'failure.busy': 'The server takes no more checks now.',
  'failure.no-server': 'The server did not answer, so this could not be tried.',
  'failure.no-webrtc': 'WebRTC is switched off in this browser.',
  'failure.failed': 'The browser stopped this test.',

  ready: 'ready in {time}',
  roundTrip: 'round trip {time}',
  loss: '{share} lost',
  milliseconds: '{value} ms',

  'hint.offline': 'Your device says that it has no network. Check the cable or Wi-Fi.',
  'hint.open-udp':
    'Whoever runs this network can allow UDP to {address}. Sound and picture then arrive without the extra delay.',
  'hint.announced-address':
    'The server is reachable, but not at the address that it gives out for media ({address}). Its administrator can set public-address to the address that people reach it by.',
  'hint.websocket-proxy':
    'A proxy on the way has to pass WebSocket connections (Upgrade) to /api/v1/ on; whoever runs it can allow that.',
  'hint.no-way-for-media':
    'Whoever runs this network can allow UDP and TCP to {address}. The server’s administrator can run it on port 443, which most networks let through.',
  'hint.turn-tls-certificate':
    'The relay works over TCP but not over TLS. Browsers accept it only with a certificate that they trust without asking; a device that inspects TLS on the way has the same effect.',
  'hint.turn-refused':
    'The relay refused its own credentials or had no room. The server’s administrator finds the reason in its metrics; an external TURN server needs the same secret.',
  'hint.no-turn': 'The server offers no relay, so direct calls between two closed networks may fail.',
  'hint.lossy':
    'Packets are lost on the way: sound and picture may break up. Coming closer to the Wi-Fi router or using a cable often helps.',
  'hint.slow': 'Answers take long: people may begin to talk over each other.',
  'hint.enable-webrtc':
    'Allow WebRTC in the settings of the browser or of the extension that blocks it, or use another browser.',
} as const;
