/** How the chat is drawn: messages under one name when they follow each other, days apart. */
import type { ChatView } from '../../../core/model';

export interface ChatGroup {
  /** The first message's. */
  key: string;
  name: string;
  isSelf: boolean;
  sentAtMs: number;
  /** The first of its day, so that the day is written above it. */
  newDay: boolean;
  messages: readonly ChatView[];
}

/** Messages of one person within this time share a name and a time, in milliseconds. */
const TOGETHER_MS = 5 * 60_000;

export function chatGroups(messages: readonly ChatView[], dayOf: (unixMs: number) => string): ChatGroup[] {
  const groups: (ChatGroup & { messages: ChatView[] })[] = [];
  let day: string | null = null;
  for (const message of messages) {
    const group = groups.at(-1);
    const newDay = dayOf(message.sentAtMs) !== day;
    day = dayOf(message.sentAtMs);
    const together =
      group !== undefined &&
      !newDay &&
      group.messages[0]?.participant === message.participant &&
      group.name === message.name &&
      message.sentAtMs - group.sentAtMs < TOGETHER_MS;
    if (together) {
      group.messages.push(message);
    } else {
      const { key, name, isSelf, sentAtMs } = message;
      groups.push({ key, name, isSelf, sentAtMs, newDay, messages: [message] });
    }
  }
  return groups;
}

/** Whether a list is scrolled to its end, or so nearly that a new message should be followed. */
export function atEnd(list: { scrollTop: number; clientHeight: number; scrollHeight: number }): boolean {
  return list.scrollHeight - list.scrollTop - list.clientHeight < 48;
}

/** Characters as the server counts them: Unicode scalar values, not UTF-16 halves. */
export function chatLength(text: string): number {
  return Array.from(text).length;
}
