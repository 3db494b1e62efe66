/** The people of the tests: each has a colour that the camera shows and a pitch that the voice has. */
export interface Person {
  readonly name: string;
  readonly colour: Rgb;
  /** Fundamental frequency of the voice. */
  readonly voiceHz: number;
}

export type Rgb = readonly [red: number, green: number, blue: number];

export const ada: Person = { name: 'Ada', colour: [205, 45, 45], voiceHz: 180 };
export const bo: Person = { name: 'Bo', colour: [45, 170, 60], voiceHz: 250 };
export const chen: Person = { name: '陈晨', colour: [50, 70, 210], voiceHz: 330 };
export const dalia: Person = { name: 'Dalia', colour: [200, 185, 40], voiceHz: 420 };
export const emeka: Person = { name: 'Emeka', colour: [190, 55, 190], voiceHz: 530 };

export const people: readonly Person[] = [ada, bo, chen, dalia, emeka];

/** The person whose colour is nearest, by chroma only: encoders and lamps change brightness, not hue. */
export function whoseColour(colour: Rgb): Person | null {
  const [nearest] = people
    .map((person) => ({ person, distance: chromaDistance(person.colour, colour) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest !== undefined && nearest.distance < 35 ? nearest.person : null;
}

/** ITU-R BT.601, full range. */
export function toYuv([red, green, blue]: Rgb): [y: number, cb: number, cr: number] {
  return [
    0.299 * red + 0.587 * green + 0.114 * blue,
    128 - 0.168736 * red - 0.331264 * green + 0.5 * blue,
    128 + 0.5 * red - 0.418688 * green - 0.081312 * blue,
  ];
}

function chromaDistance(a: Rgb, b: Rgb): number {
  const [, cbA, crA] = toYuv(a);
  const [, cbB, crB] = toYuv(b);
  return Math.hypot(cbA - cbB, crA - crB);
}
