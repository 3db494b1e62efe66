import type { PlainKey } from '../../locales';

/** Where this browser keeps the permission that was refused. A wrong guess misleads nobody far: each text names what to look for. */
export function permissionHelpKey({
  userAgent,
  maxTouchPoints,
}: Pick<Navigator, 'userAgent' | 'maxTouchPoints'>): PlainKey {
  // iPads say that they are Macs; Macs have no touch screen.
  const isIos = /iPhone|iPad/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
  if (isIos) return 'greenroom.helpIos';
  if (/Android/.test(userAgent)) return 'greenroom.helpAndroid';
  if (/Firefox\//.test(userAgent)) return 'greenroom.helpFirefox';
  if (/Chrom(e|ium)\//.test(userAgent)) return 'greenroom.helpChromium';
  if (/Safari\//.test(userAgent)) return 'greenroom.helpSafari';
  return 'greenroom.helpOther';
}
