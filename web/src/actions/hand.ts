import type { MeetingView } from '../core/model';
import { inMeeting, type Action } from './action';

const raised = ({ hands, selfId }: MeetingView): boolean => selfId !== null && hands.includes(selfId);

export const hand: Action = {
  id: 'hand',
  group: 'reactions',
  name: 'meeting.action.hand',
  label: ({ meeting }) => (raised(meeting) ? 'meeting.action.hand-lower' : 'meeting.action.hand'),
  icon: () => 'hand',
  shortcut: { key: 'h' },
  available: inMeeting,
  pressed: ({ meeting }) => raised(meeting),
  run: ({ meeting }) => meeting.setHand(!raised(meeting.view.get())),
};
