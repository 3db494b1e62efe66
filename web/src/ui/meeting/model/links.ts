/** Finds the links in a chat message. The text itself is never changed, only cut. */

export type ChatPart = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string };

/**
 * Starts with a scheme or with `www.`; goes on to the next space or quotation mark. Full-width
 * punctuation ends it as well: Chinese goes on after it without a space.
 */
const CANDIDATE = /\b(?:https?:\/\/|www\.)[^\s<>"“”‘’「」『』《》【】（）、，。；：！？…]+/giu;

/** Ends a sentence rather than a link, when it stands last. */
const TRAILING = /[.,;:!?'*_~]+$/u;

export function chatParts(text: string): ChatPart[] {
  const parts: ChatPart[] = [];
  let from = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const shown = trim(match[0]);
    const href = target(shown);
    if (href === null) continue;
    if (match.index > from) parts.push({ kind: 'text', text: text.slice(from, match.index) });
    parts.push({ kind: 'link', text: shown, href });
    from = match.index + shown.length;
  }
  if (from < text.length) parts.push({ kind: 'text', text: text.slice(from) });
  return parts;
}

/** Without the punctuation of the sentence around it; brackets that were opened inside stay. */
function trim(link: string): string {
  let shown = link;
  for (;;) {
    const shorter = shown.replace(TRAILING, '');
    const last = shorter.at(-1);
    const opening = last === ')' ? '(' : last === ']' ? '[' : last === '}' ? '{' : null;
    const unmatched = opening !== null && count(shorter, opening) < count(shorter, last ?? '');
    const next = unmatched ? shorter.slice(0, -1) : shorter;
    if (next === shown) return shown;
    shown = next;
  }
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

/** Where the link leads, if it is a web address with a host; null otherwise. */
function target(shown: string): string | null {
  const written = /^www\./i.test(shown) ? `https://${shown}` : shown;
  if (!URL.canParse(written)) return null;
  const url = new URL(written);
  // A name and password before the host only serve to make one host look like another.
  const honest = url.username === '' && url.password === '' && url.hostname.length > 0;
  const web = url.protocol === 'http:' || url.protocol === 'https:';
  const named = !/^www\./i.test(shown) || /^www\.[^.]+\../i.test(url.hostname);
  return web && honest && named ? url.href : null;
}
