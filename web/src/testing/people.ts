/** A company for looking at the meeting screen. */
import { GOOD, type FakePerson } from './fake-meeting';
import { personPicture, screenPicture } from './pictures';

const NAMES = [
  'Ada Lovelace',
  'Bo Andersen',
  'Chen Jing',
  'Dalia Haddad',
  'Emeka Obi',
  'Freya Lind',
  'Gustavo Prado',
  'Hana Sato',
  'Imran Qureshi',
  'Jana Novák',
  'Kofi Mensah',
  'Lucía Fernández',
  'Mina Park',
  'Noor Khan',
  'Olek Wójcik',
  'Priya Raman',
  'Quentin Roy',
  'Rosa Bianchi',
  'Sven Berg',
  'Tala Reyes',
  'Uma Shetty',
  'Viktor Ivanov',
  'Wanjiru Njoroge',
  'Ximena Cruz',
  'Yusuf Demir',
  'Zoë van den Broek-Hendriks',
];
const CHINESE_NAMES = ['李静', '王小明', '欧阳娜娜', '陈晨', '赵磊', '刘洋', '孙悦', '周杰', '吴敏', '郑爽'];

interface Wish {
  /** How many of them share their screens. */
  screens?: number;
  chinese?: boolean;
}

/** The first one is oneself. Every fourth has the camera off, every third the microphone. */
export function people(count: number, { screens = 0, chinese = false }: Wish = {}): FakePerson[] {
  return Array.from({ length: count }, (_, index): FakePerson => {
    const names = chinese ? CHINESE_NAMES : NAMES;
    const cycle = Math.floor(index / names.length);
    const camera = index % 4 !== 3;
    return {
      id: `p${index}`,
      name: `${names[index % names.length] ?? ''}${cycle > 0 ? ` ${cycle + 1}` : ''}`,
      isSelf: index === 0,
      role: index === 0 ? 'host' : 'participant',
      microphone: index % 3 !== 2,
      ...(camera ? { picture: personPicture((index * 47 + 200) % 360) } : {}),
      ...(index >= 1 && index <= screens ? { screen: screenPicture() } : {}),
      quality: GOOD,
      network: { quality: 'good', roundTripMs: 34, lossUpPermille: 2, lossDownPermille: 0 },
    };
  });
}
