import type english from '../en/common';
import type { Localized } from '../types';

const common: Localized<typeof english> = {
  product: 'Conclave',
  join: '加入',
  cancel: '取消',
  close: '关闭',
  copied: '已复制',
  copyLink: '复制链接',
  home: '首页',
  loading: '正在加载…',
  off: '关',
  on: '开',
  retry: '重试',
  language: '语言',
  theme: '外观',
  themeSystem: '跟随设备',
  themeLight: '浅色',
  themeDark: '深色',
  microphone: '麦克风',
  camera: '摄像头',
  speaker: '扬声器',
  you: '你',
  use: '改用它',
  listComma: '、',
  loadFailed: '页面有一部分没能加载出来。',
  loadFailedHint: '请检查网络后重试。',
};

export default common;
