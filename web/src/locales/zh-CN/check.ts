import type english from '../en/check';
import type { Localized } from '../types';

const check: Localized<typeof english> = {
  title: '网络检测',
  link: '检测当前网络',
  intro: '看看从你这里到服务器有哪些路可走。检测不会用到摄像头和麦克风。',
  rungs: '通往服务器的各条路',
  again: '重新检测',
  copy: '复制文字结果',
  copied: '已复制',
  copyFailed: '浏览器不允许复制，请手动选取文字。',
  hints: '可以怎么改善',

  'verdict.testing': '正在检测…',
  'verdict.testing-text': '只需几秒钟。',
  'verdict.works-so-far': '这里可以开会。',
  'verdict.works-so-far-text': '还在寻找传输音视频的最佳路径。',
  'verdict.udp': '这里可以开会。',
  'verdict.udp-text': '音视频经 UDP 直达服务器，这是最好的情况。',
  'verdict.tcp': '这里可以开会，但延迟会大一些。',
  'verdict.tcp-text': 'UDP 走不通，音视频改走 TCP。网络繁忙时会有延迟，画面可能短暂停顿。',
  'verdict.turn-udp': '这里可以开会，音视频经服务器的中继传输。',
  'verdict.turn-udp-text': '音视频走 UDP，但只能通过中继：服务器公布的媒体地址没有应答。',
  'verdict.turn-tcp': '这里可以开会，但延迟会大一些。',
  'verdict.turn-tcp-text': '音视频经服务器的中继走 TCP。网络繁忙时会有延迟，画面可能短暂停顿。',
  'verdict.turn-tls': '这里可以开会，但延迟会大一些。',
  'verdict.turn-tls-text':
    '传输音视频的路只有一条能走通，就是看起来像网页流量（TLS）的那条，所以会稍有延迟。',
  'verdict.no-page': '服务器没有应答。',
  'verdict.no-page-text': '网页和实时连接都到不了。可能是你的网络无法通往服务器，也可能是服务器没有运行。',
  'verdict.no-websocket': '这里无法开会。',
  'verdict.no-websocket-text': '网页可以打开，但会议所需的实时连接（WebSocket）被拦住了。',
  'verdict.no-media': '可以入会和聊天，但别人看不到、听不到你。',
  'verdict.no-media-text': '网页正常，但所有传输音视频的路都没有应答。换一个网络（例如手机热点）也许可以。',
  'verdict.no-webrtc': '这个浏览器无法传输音视频。',
  'verdict.no-webrtc-text': '它的 WebRTC 被设置、扩展程序或管理策略关闭了。',
  'verdict.busy': '暂时无法检测。',
  'verdict.busy-text': '服务器正在进行的检测太多，请一分钟后再试。',

  'rung.page': '网页',
  'rung.page-about': '从服务器打开网页',
  'rung.websocket': '实时连接',
  'rung.websocket-about': 'WebSocket：成员、聊天、建立通话',
  'rung.udp': 'UDP',
  'rung.udp-about': '音视频直达服务器',
  'rung.tcp': 'TCP',
  'rung.tcp-about': 'UDP 被拦截时的替代',
  'rung.turn-udp': 'UDP 中继',
  'rung.turn-udp-about': 'TURN：两个封闭网络之间的直连通话',
  'rung.turn-tcp': 'TCP 中继',
  'rung.turn-tcp-about': 'UDP 被拦截时的 TURN',
  'rung.turn-tls': 'TLS 中继',
  'rung.turn-tls-about': '看起来像网页流量的 TURN，适用于最严格的网络',

  'state.waiting': '等待中',
  'state.running': '检测中…',
  'state.works': '可用',
  'state.fails': '不可用',
  'state.unknown': '未检测',

  'failure.no-answer': '没有收到应答。',
  'failure.closed': '连接建立不了，或被切断。',
  'failure.no-relay': '浏览器没有得到中继。',
  'failure.refused': '被拒绝，代码 {code}。',
  'failure.nothing-through': '有中继，但数据过不来。',
  'failure.not-offered': '这台服务器没有提供。',
  'failure.busy': '服务器正在进行的检测太多。',
  'failure.no-server': '服务器没有应答，无法尝试。',
  'failure.no-webrtc': '这个浏览器关闭了 WebRTC。',
  'failure.failed': '浏览器中止了这项检测。',

  ready: '{time}就绪',
  roundTrip: '往返 {time}',
  loss: '丢包 {share}',
  milliseconds: '{value} 毫秒',

  'hint.offline': '设备显示没有网络，请检查网线或 Wi-Fi。',
  'hint.open-udp': '请网络管理员放行通往 {address} 的 UDP，音视频就不会有额外的延迟。',
  'hint.announced-address':
    '服务器可以访问，但它公布的媒体地址（{address}）走不通。请服务器管理员把 public-address 设为大家实际访问的地址。',
  'hint.websocket-proxy':
    '途中的代理需要放行通往 /api/v1/ 的 WebSocket 连接（Upgrade），请代理的管理员允许。',
  'hint.no-way-for-media':
    '请网络管理员放行通往 {address} 的 UDP 和 TCP。服务器管理员也可以让它运行在 443 端口，大多数网络都会放行。',
  'hint.turn-tls-certificate':
    '中继走 TCP 可用，走 TLS 不可用。浏览器只接受无需确认就信任的证书；途中检查 TLS 的设备也会造成同样的结果。',
  'hint.turn-refused':
    '中继拒绝了自己的凭据，或没有余量。服务器管理员可以在监控指标中找到原因；外部 TURN 服务器需使用相同的密钥。',
  'hint.no-turn': '服务器没有提供中继，两个封闭网络之间的直连通话可能失败。',
  'hint.lossy': '途中有丢包，声音和画面可能断续。靠近 Wi-Fi 路由器或使用网线通常会好一些。',
  'hint.slow': '往返时间较长，说话时可能会互相打断。',
  'hint.enable-webrtc': '请在浏览器设置或相关扩展程序中允许 WebRTC，或改用其他浏览器。',
};

export default check;
