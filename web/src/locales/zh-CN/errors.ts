import type english from '../en/errors';
import type { Localized } from '../types';

const error: Localized<typeof english> = {
  malformed: '页面和服务器没有对上话，请刷新页面。',
  'unknown-message': '页面比服务器新，请刷新页面。',
  'unsupported-version': '页面版本太旧，请刷新页面。',
  'out-of-order': '页面和服务器的步调不一致，请重试。',
  'too-many-requests': '操作太频繁，请稍等片刻再试。',
  'bad-name': '名字需要 1 到 64 个可见字符。',
  'bad-room-name': '会议名称需要 1 到 64 个文字、数字、“-”或“_”。',
  'bad-chat': '消息需要 1 到 4000 个字符。',
  'bad-options': '这项设置超出了范围。',
  'room-full': '会议已满员，等有人离开后再试。',
  'room-locked': '主持人暂时不让新人进入，请让会议里的人解除锁定。',
  'room-closed': '主持人已结束这场会议。',
  'already-here': '你已在这个浏览器的另一个页面里加入了本会议。',
  unauthorized: '这个链接无法进入或已过期，请重新要一个。',
  forbidden: '只有主持人能这么做。',
  'cannot-resume': '离开太久，无法接着刚才继续，请重新加入。',
  'bad-sdp': '这个浏览器与服务器没能就音视频达成一致。',
  'too-many-sections': '页面请求的音视频路数超过了服务器的上限。',
  'stale-generation': '会议状态已经变了，请重试。',
  'no-such-participant': '这个人已经离开了。',
  'nothing-live': '现在没有可看的内容。',
  'media-unavailable': '服务器暂时接不了更多音视频，请过一分钟再试。',
  internal: '服务器出了点问题，与你无关，请重试。',
  unknown: '出了点问题，请重试。',
};

export default error;
