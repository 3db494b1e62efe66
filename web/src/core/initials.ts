/** What stands for a person where there is no picture. */

const HAN_OR_HANGUL = /^[\p{Script=Han}\p{Script=Hangul}\s·・]+$/u;

/**
 * One or two characters for a name. Written in Han or Hangul, the given name comes last and two
 * characters tell people apart; elsewhere the first letters of the first and the last word do.
 */
export function initials(name: string): string {
  const words = name
    .trim()
    .split(/[\s·・]+/u)
    .filter((word) => word !== '');
  const first = words[0];
  const last = words.at(-1);
  if (first === undefined || last === undefined) return '?';
  if (HAN_OR_HANGUL.test(name)) return characters(last).slice(-2).join('');
  const letters = [first, ...(words.length > 1 ? [last] : [])].map((word) => characters(word)[0] ?? '');
  return letters.join('').toLocaleUpperCase();
}

/** A hue in degrees (0 to 359), the same for the same text on every page. */
export function hueOf(text: string): number {
  // FNV-1a (32 bits), over code points.
  let hash = 0x811c9dc5;
  for (const character of text) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  // Twelve hues: any two of them look different.
  return ((hash >>> 0) % 12) * 30;
}

/** Characters as people see them: an emoji with its modifiers is one. */
function characters(text: string): string[] {
  // Firefox has had a segmenter since 125.
  if (typeof Intl.Segmenter === 'undefined') return Array.from(text);
  return [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].map(
    ({ segment }) => segment,
  );
}
