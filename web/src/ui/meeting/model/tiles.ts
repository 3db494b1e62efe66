/** What a tile is called, to the eye and to the ear. */
import type { MeetingView, TileView } from '../../../core/model';
import { formatList, t } from '../../../locales';

export function tileName({ name, source, isSelf }: TileView): string {
  if (source === 'screen') return isSelf ? t('meeting.tile.own-screen') : t('meeting.tile.screen', { name });
  return isSelf ? t('meeting.tile.you', { name }) : name;
}

/** Everything that the tile shows by signs. */
export function describeTile(tile: TileView): string {
  const camera = tile.source === 'camera';
  return formatList([
    tileName(tile),
    ...(camera && !tile.microphone ? [t('meeting.tile.muted')] : []),
    ...(camera && tile.speaking ? [t('meeting.tile.speaking')] : []),
    ...(camera && tile.hand !== null ? [t('meeting.tile.hand')] : []),
    ...(tile.interrupted ? [t('meeting.tile.interrupted')] : []),
    ...(tile.paused ? [t('meeting.tile.paused')] : []),
  ]);
}

/** Where there is room for one only: what is pinned, else a shared screen, else who speaks or spoke. */
export function mostImportant(view: MeetingView, pinned: string | null): TileView | null {
  const { tiles, speakers } = view;
  const others = tiles.filter((tile) => !tile.isSelf);
  return (
    tiles.find((tile) => tile.key === pinned) ??
    others.find((tile) => tile.source === 'screen') ??
    others.find((tile) => tile.participant === speakers.find((id) => id !== view.selfId)) ??
    others.find((tile) => tile.hasVideo) ??
    others[0] ??
    tiles[0] ??
    null
  );
}
