/** Finds the links in a chat message. The text itself is never changed, only cut. */

export type ChatPart = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string };

/**
 * Starts with a scheme or with `www.`; goes on to the next space or quotation mark. Full-width
 * punctuation ends it as well: Chinese goes on after it without a space.
 */
const CANDIDATE = /\b(?:https?:\/\/|www\.)[^\s<>"“”‘’「」『』《》【】（）、，。；：！？…]+/giu;

/** Ends a sentence rather than a link, when it stands last. */
const TRAILING = new Set(".,;:!?'*_~");

const OPENING: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

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
  const counts = new Map<string, number>();
  for (const character of link) counts.set(character, (counts.get(character) ?? 0) + 1);
  const count = (character: string): number => counts.get(character) ?? 0;
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link.charAt(end - 1);
    const opening = OPENING[last];
    const unmatched = opening !== undefined && count(opening) < count(last);
    if (!TRAILING.has(last) && !unmatched) break;
    counts.set(last, count(last) - 1);
  }
  return link.slice(0, end);
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
