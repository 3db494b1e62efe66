import { describe, expect, it } from 'vitest';
import { Preferences } from '../../../core/preferences';
import { VirtualClock } from '../../../core/virtual-clock';
import { FakeMeeting, type FakePerson } from '../../../testing/fake-meeting';
import { sayings } from './announcer';
import { drawnRows, PeopleList } from './people';
import { MeetingScreen } from './screen';
import { Stage } from './stage';

function people(count: number): FakePerson[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `p${index}`,
    name: `Person ${index}`,
    isSelf: index === 0,
  }));
}

function large(count: number) {
  const meeting = new FakeMeeting();
  meeting.listed = 50;
  meeting.setPeople(people(count));
  const clock = new VirtualClock();
  const list = new PeopleList(meeting, clock);
  const asked = (): unknown[] => meeting.asked.filter(([method]) => method === 'findPeople');
  const names = (): string[] => list.view.get().rows.map(({ person }) => person.name);
  return { meeting, clock, list, asked, names };
}

describe('the list of people', () => {
  it('of a small room asks nobody', async () => {
    const { meeting, clock, list, asked, names } = large(50);
    list.look(0, 20);
    list.search('person 4');
    await clock.advance(60_000);
    expect(asked()).toEqual([]);
    expect(names()).toHaveLength(11);
    expect(list.view.get().more).toBe(false);
    meeting.changePerson('p4', { hand: 1 });
    expect(names()[0]).toBe('Person 4');
  });

  it('asks for more people as somebody scrolls to them, and shows each once', async () => {
    const { clock, list, asked, names } = large(230);
    expect(list.view.get()).toMatchObject({ more: true });
    list.look(0, 12);
    await clock.advance(0);
    expect(asked()).toEqual([]);
    for (let round = 0; round < 8; round += 1) {
      list.look(names().length - 12, names().length);
      await clock.advance(0);
    }
    expect(names()).toEqual(people(230).map(({ name }) => name));
    expect(asked()).toHaveLength(5);
    expect(list.view.get().more).toBe(false);
    const before = list.view.get();
    list.look(names().length - 12, names().length);
    expect(list.view.get(), 'looking at the end draws nothing anew').toBe(before);
  });

  it('searches among those whom the page has never been told of', async () => {
    const { clock, list, names } = large(230);
    list.search('Person 21');
    await clock.advance(100);
    list.search('Person 219');
    await clock.advance(300);
    expect(names()).toEqual(['Person 219']);
    list.search('Nobody');
    await clock.advance(300);
    expect(names()).toEqual([]);
    list.search('');
    expect(names()).toHaveLength(50);
  });

  it('asks anew for what is looked at, and goes on when the server does not answer', async () => {
    const { meeting, clock, list, names } = large(230);
    list.look(40, 60);
    await clock.advance(0);
    list.look(50, 99);
    await clock.advance(0);
    meeting.changePerson('p70', { name: 'Somebody else' });
    await clock.advance(10_000);
    expect(names()).toContain('Somebody else');
    meeting.offline = true;
    await clock.advance(10_000);
    expect(names()).toContain('Somebody else');
    list.end();
  });

  it('draws what is seen and a little more, however long it is', () => {
    const list = { scrollTop: 56_000, height: 560, rowHeight: 56 };
    expect(drawnRows(list, 5_000)).toEqual({ first: 990, last: 1_020 });
    expect(drawnRows({ ...list, scrollTop: 0 }, 3)).toEqual({ first: 0, last: 3 });
    expect(drawnRows(list, 0)).toEqual({ first: 0, last: 0 });
  });
});

describe('a large room', () => {
  it('has a tile that says how many people have none, and never more tiles than slots', () => {
    const meeting = new FakeMeeting();
    meeting.listed = 50;
    meeting.setPeople(people(230));
    const platform = {
      can: { share: true, fullScreen: true, pictureInPicture: true },
      enterFullScreen: () => Promise.resolve(),
      leaveFullScreen: () => Promise.resolve(),
      enterPictureInPicture: () => Promise.resolve(),
      leavePictureInPicture: () => Promise.resolve(),
      copyLink: () => Promise.resolve(true),
    };
    const clock = new VirtualClock();
    const screen = new MeetingScreen(meeting, platform, new Preferences(null), clock);
    const stage = new Stage(meeting, screen, clock);
    stage.resize({ width: 1920, height: 1080 }, 1);
    const shown = stage.view.get().tiles.length;
    expect(shown).toBeLessThanOrEqual(25);
    expect(stage.view.get().elsewhere).toBe(230 - shown);
    screen.goToPage(9);
    const { layout, tiles, more } = stage.view.get();
    expect(layout.page).toBe(layout.pages - 1);
    expect(more?.count).toBe(180);
    expect(tiles.length).toBeLessThan(25);
  });

  it('is not read out person by person', () => {
    const meeting = new FakeMeeting();
    meeting.listed = 50;
    meeting.setPeople(people(230));
    const before = meeting.view.get();
    meeting.setPeople(people(240).slice(0, 1).concat(people(240).slice(5)));
    expect(sayings(before, meeting.view.get(), 'all')).toEqual([]);
  });
});
