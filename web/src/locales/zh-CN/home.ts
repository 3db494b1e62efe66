import type english from '../en/home';
import type { Localized } from '../types';

const home: Localized<typeof english> = {
  title: 'Conclave',
  headline: '见面聊',
  tagline: '发起会议，把链接发出去就好。',
  taglineMore: '无需安装，也不用注册。',
  start: '发起会议',
  or: '或',
  field: '会议号、链接或名称',
  go: '进入',
  recent: '最近的会议',
  lastVisit: '上次进入：{when}',
  forget: '从列表中移除 {room}',
  otherSite: '这个链接指向另一个网站（{host}）。如果信任它，请在地址栏中打开。',
  notARoom: '这不是会议链接。',
  badCharacters: '名称只能包含文字、数字、“-”和“_”。',
  tooLong: { other: '名称最多 {count} 个字符。' },
  notFound: '这里没有页面',
  notFoundHint: '链接可能没有复制完整。',
};

export default home;
