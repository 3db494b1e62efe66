import type english from '../en/notices';
import type { Localized } from '../types';

const notice: Localized<typeof english> = {
  'headset-plugged-in': '已接入 {device}。',
  'switch-to-it': '切换到它',
  'microphone-lost': '{device} 已拔出，现在改用 {next}。',
  'microphone-lost-none': '{device} 已拔出，别人听不到你。',
  'camera-lost': '{device} 已拔出，现在改用 {next}。',
  'camera-lost-none': '{device} 已拔出，别人看不到你。',
  'speaker-lost': '{device} 已拔出，声音改由默认扬声器播放。',
  'microphone-refused': '浏览器不允许此页面使用麦克风。',
  'microphone-missing': '没有找到麦克风。',
  'microphone-busy': '麦克风正被其他程序占用。',
  'microphone-failed': '麦克风无法启动。',
  'camera-refused': '浏览器不允许此页面使用摄像头。',
  'camera-missing': '没有找到摄像头。',
  'camera-busy': '摄像头正被其他程序占用。',
  'camera-failed': '摄像头无法启动。',
  'insecure-page': '浏览器只允许安全页面（https）使用麦克风和摄像头。',
  'unsupported-browser': '这个浏览器不支持网页使用麦克风和摄像头。',
  'microphone-substituted': '没找到你常用的麦克风，改用 {next}。',
  'camera-substituted': '没找到你常用的摄像头，改用 {next}。',
};

export default notice;
