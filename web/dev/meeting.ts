/**
 * The meeting screen without a server, for looking at it: `npm run dev`, then /dev/meeting.html.
 *
 * URL parameters: `people` (how many), `screens` (how many share), `locale`, `layout`, `chat`
 * (messages). `window.fake` is the meeting, to be scripted from the console and from tests.
 */
import { mount } from 'svelte';
import '../src/app.css';
import { Preferences } from '../src/core/preferences';
import { setLocale } from '../src/locales';
import { FakeDeviceControl } from '../src/testing/fake-device-control';
import { FakeMeeting } from '../src/testing/fake-meeting';
import { people } from '../src/testing/people';
import DevMeeting from './DevMeeting.svelte';

declare global {
  interface Window {
    fake: FakeMeeting;
    devices: FakeDeviceControl;
  }
}

const ENGLISH = [
  'Good morning! The agenda is at https://example.org/agenda.',
  'Thanks, I will add two points:\n1. the budget\n2. who writes the minutes',
  'Shall we start with the second one? It is short.',
  'Yes.',
];
const CHINESE = [
  '早上好！议程在 https://example.org/agenda。',
  '谢谢，我补充两点：\n1. 预算\n2. 谁来写会议纪要',
  '先说第二点吧，很快。',
  '好的。',
];

const wanted = new URLSearchParams(location.search);
const count = (name: string, usual: number): number => Number(wanted.get(name) ?? usual);
const chinese = wanted.get('locale') === 'zh-CN';

await setLocale(chinese ? 'zh-CN' : 'en');
document.documentElement.dataset.theme = 'dark';

const preferences = new Preferences(null);
if (wanted.get('layout') === 'speaker') preferences.set('layout', 'speaker');

const meeting = new FakeMeeting({
  room: chinese ? '周会' : 'blue-lake-42',
  role: 'host',
  topology: count('people', 5) > 2 ? 'sfu' : 'p2p',
  topologyReason: 'more-people',
});
meeting.setPeople(people(count('people', 5), { screens: count('screens', 0), chinese }));
for (let message = 0; message < count('chat', 0); message += 1) {
  const texts = chinese ? CHINESE : ENGLISH;
  meeting.say(`p${(message * 2 + 1) % 3}`, texts[message % texts.length] ?? '', {
    isSelf: (message * 2 + 1) % 3 === 0,
  });
}
window.fake = meeting;
window.devices = new FakeDeviceControl();

const target = document.getElementById('app');
if (!target) throw new Error('meeting.html has an element with the id "app"');
mount(DevMeeting, { target, props: { meeting, devices: window.devices, preferences } });
