import type { AdminParticipantDetail, AdminRoom } from '../../src/core/proto.ts';
import type { Server } from './server.ts';

/** What each person's microphone is sent in, and what they get voices in, as the administrator sees it. */
export async function soundsOf(server: Server, room: string) {
  const { now } = (await server.request('GET', `/admin/rooms/${room}`)) as AdminRoom;
  const sources: Record<string, string | null> = {};
  const slots: Record<string, string[]> = {};
  for (const { id, name } of now.participants) {
    const path = `/admin/rooms/${room}/participants/${id}`;
    const { now: person } = (await server.request('GET', path)) as AdminParticipantDetail;
    sources[name] = person.sources.find(({ source }) => source === 'microphone')?.codec ?? null;
    const voices = person.slots.filter(({ isAudio }) => isAudio).map(({ carries }) => carries?.codec);
    slots[name] = [...new Set(voices.filter((codec) => typeof codec === 'string'))].sort();
  }
  return { sources, slots };
}
