/** What the router between a person's machine and the internet lets through, and as what: rules for nftables. */

export const NETWORKS = [
  'open',
  'full-cone',
  'port-restricted',
  'symmetric',
  'udp-limited',
  'udp-blocked',
  'only-tcp-443',
  'only-tls-443',
] as const;

/** The names of RFC 4787 and RFC 3489 for the NATs; the others say what their firewall lets out. */
export type Network = (typeof NETWORKS)[number];

export const inWords: Record<Network, string> = {
  open: 'open, no NAT',
  'full-cone': 'full-cone NAT',
  'port-restricted': 'port-restricted NAT',
  symmetric: 'symmetric NAT',
  'udp-limited': 'UDP limited to 0.4 Mbit/s each way',
  'udp-blocked': 'UDP blocked',
  'only-tcp-443': 'only TCP 443 out',
  'only-tls-443': 'only TLS on TCP 443 out',
};

/** Kilobytes a second and direction: less than a camera's picture would like to have. */
const UDP_KBYTES = 50;

/**
 * @param inside the person's address
 * @param except `address . port` of another service that the firewall lets people use over UDP
 */
export function rules(network: Network, inside: string, except?: string): string {
  return `
table ip site {
  counter limited {}
  chain forward {
    type filter hook forward priority filter; policy drop;
    ${except === undefined ? '' : `ip daddr . udp dport { ${except} } accept\n    ip saddr . udp sport { ${except} } accept`}
    ${restriction(network)}
    ct state established,related accept
    iifname "lan" accept
    ${network === 'open' ? 'iifname "wan" accept' : 'ct status dnat accept'}
  }
  chain input {
    # The router itself offers nothing. What strangers send must leave no trace either: a connection
    # tracked here would take the port away from the mapping of the person's own packets.
    type filter hook input priority filter; policy drop;
  }
  chain out {
    type nat hook postrouting priority srcnat;
    ${network === 'open' ? '' : `oifname "wan" masquerade${network === 'symmetric' ? ' fully-random' : ''}`}
  }
  chain in {
    type nat hook prerouting priority dstnat;
    ${network === 'full-cone' ? `iifname "wan" meta l4proto udp dnat to ${inside}` : ''}
  }
}`;
}

function restriction(network: Network): string {
  // On the way through, silently: a drop where packets are sent would be told to the sender, which firewalls do not.
  const only443 = 'meta l4proto != tcp drop\n    iifname "lan" tcp dport != 443 drop';
  switch (network) {
    case 'udp-blocked':
      return 'meta l4proto udp drop';
    case 'udp-limited':
      return ['lan', 'wan']
        .map(
          (from) =>
            `iifname "${from}" meta l4proto udp limit rate over ${UDP_KBYTES} kbytes/second burst 16 kbytes counter name limited drop`,
        )
        .join('\n    ');
    case 'only-tcp-443':
      return only443;
    case 'only-tls-443':
      // A firewall that looks inside: the first bytes of a connection must be a TLS record (type 22, version
      // 3.x) with a ClientHello (type 1), or the connection is reset.
      return `${only443}
    iifname "lan" ct mark 0 @ih,0,16 & 0xff00 == 0x1600 @ih,8,8 3 @ih,40,8 1 ct mark set 1
    iifname "lan" ct mark 0 @ih,0,8 0-255 reject with tcp reset`;
    default:
      return '';
  }
}
