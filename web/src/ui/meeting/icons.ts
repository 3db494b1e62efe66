/** Icons by what they stand for here, so that nothing else depends on the set they come from. */
import Activity from '@lucide/svelte/icons/activity';
import ArrowDown from '@lucide/svelte/icons/arrow-down';
import Check from '@lucide/svelte/icons/check';
import ChevronLeft from '@lucide/svelte/icons/chevron-left';
import ChevronRight from '@lucide/svelte/icons/chevron-right';
import CircleQuestionMark from '@lucide/svelte/icons/circle-question-mark';
import CircleX from '@lucide/svelte/icons/circle-x';
import Ellipsis from '@lucide/svelte/icons/ellipsis';
import Expand from '@lucide/svelte/icons/expand';
import Eye from '@lucide/svelte/icons/eye';
import EyeOff from '@lucide/svelte/icons/eye-off';
import Hand from '@lucide/svelte/icons/hand';
import Info from '@lucide/svelte/icons/info';
import LayoutGrid from '@lucide/svelte/icons/layout-grid';
import LayoutPanelLeft from '@lucide/svelte/icons/layout-panel-left';
import Link from '@lucide/svelte/icons/link';
import Lock from '@lucide/svelte/icons/lock';
import LockOpen from '@lucide/svelte/icons/lock-open';
import Maximize from '@lucide/svelte/icons/maximize';
import MessageSquareText from '@lucide/svelte/icons/message-square-text';
import Mic from '@lucide/svelte/icons/mic';
import MicOff from '@lucide/svelte/icons/mic-off';
import Minimize from '@lucide/svelte/icons/minimize';
import MonitorUp from '@lucide/svelte/icons/monitor-up';
import MonitorX from '@lucide/svelte/icons/monitor-x';
import Pencil from '@lucide/svelte/icons/pencil';
import Pause from '@lucide/svelte/icons/pause';
import PhoneOff from '@lucide/svelte/icons/phone-off';
import PictureInPicture from '@lucide/svelte/icons/picture-in-picture-2';
import Pin from '@lucide/svelte/icons/pin';
import PinOff from '@lucide/svelte/icons/pin-off';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import SendHorizontal from '@lucide/svelte/icons/send-horizontal';
import Settings from '@lucide/svelte/icons/settings';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import SmilePlus from '@lucide/svelte/icons/smile-plus';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import Users from '@lucide/svelte/icons/users';
import Video from '@lucide/svelte/icons/video';
import VideoOff from '@lucide/svelte/icons/video-off';
import WifiOff from '@lucide/svelte/icons/wifi-off';
import X from '@lucide/svelte/icons/x';

export const ICONS = {
  camera: Video,
  'camera-off': VideoOff,
  chat: MessageSquareText,
  close: X,
  done: Check,
  down: ArrowDown,
  edit: Pencil,
  encrypted: ShieldCheck,
  end: CircleX,
  enlarge: Expand,
  'full-screen': Maximize,
  'full-screen-end': Minimize,
  hand: Hand,
  help: CircleQuestionMark,
  info: Info,
  interrupted: WifiOff,
  'layout-grid': LayoutGrid,
  'layout-speaker': LayoutPanelLeft,
  leave: PhoneOff,
  link: Link,
  lock: Lock,
  microphone: Mic,
  'microphone-off': MicOff,
  more: Ellipsis,
  network: Activity,
  next: ChevronRight,
  paused: Pause,
  people: Users,
  'picture-in-picture': PictureInPicture,
  pin: Pin,
  'pin-off': PinOff,
  previous: ChevronLeft,
  reactions: SmilePlus,
  retry: RotateCw,
  'self-view': Eye,
  'self-view-off': EyeOff,
  send: SendHorizontal,
  settings: Settings,
  share: MonitorUp,
  'share-stop': MonitorX,
  unlock: LockOpen,
  warning: TriangleAlert,
} as const;

export type IconName = keyof typeof ICONS;
