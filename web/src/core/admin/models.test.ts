import { describe, expect, it, vi } from 'vitest';
import { FakeAdminApi, detail, flow, overview, person, room } from '../../testing/admin';
import { settle, VirtualClock } from '../virtual-clock';
import { OverviewModel } from './overview';
import { RoomModel } from './room';
import { AdminSession, tabStorage } from './session';

function memory(token: string | null = null) {
  let kept = token;
  return { load: () => kept, save: (next: string | null) => void (kept = next) };
}

function environment(api = new FakeAdminApi()) {
  const clock = new VirtualClock();
  return { api, clock, token: 'right', onUnauthorized: vi.fn() };
}

describe('signing in', () => {
  it('keeps a right token for the tab, and forgets it at signing out', async () => {
    const storage = memory();
    const session = new AdminSession(new FakeAdminApi(), storage);
    expect(session.view.get()).toEqual({ state: 'signed-out', problem: null });
    await session.signIn(' right\n');
    expect(session.view.get()).toEqual({ state: 'signed-in', token: 'right' });
    expect(storage.load()).toBe('right');
    session.signOut();
    expect(storage.load()).toBeNull();
  });

  it('says what is wrong, and keeps nothing', async () => {
    const api = new FakeAdminApi();
    const storage = memory();
    const session = new AdminSession(api, storage);
    await session.signIn('wrong');
    expect(session.view.get()).toEqual({ state: 'signed-out', problem: { kind: 'unauthorized' } });
    api.failure = { kind: 'limited', retryMs: 6_000 };
    await session.signIn('right');
    expect(session.view.get()).toEqual({ state: 'signed-out', problem: { kind: 'limited', retryMs: 6_000 } });
    expect(storage.load()).toBeNull();
  });

  it('does not send what cannot be a token', async () => {
    const api = new FakeAdminApi();
    const session = new AdminSession(api, memory());
    await session.signIn('two words');
    expect(session.view.get()).toEqual({ state: 'signed-out', problem: { kind: 'unauthorized' } });
    await session.signIn('  ');
    expect(api.asked).toBe(0);
  });

  it('goes on where it was when the page is loaded again, until the token is refused', () => {
    const storage = memory('right');
    const session = new AdminSession(new FakeAdminApi(), storage);
    expect(session.view.get().state).toBe('signed-in');
    session.expire();
    expect(session.view.get()).toEqual({ state: 'signed-out', problem: 'ended' });
    expect(storage.load()).toBeNull();
  });

  it('works in browsers that refuse storage', () => {
    const storage = tabStorage(() => {
      throw new Error('refused');
    });
    storage.save('token');
    expect(storage.load()).toBe('token');
  });
});

describe('all rooms', () => {
  it('are loaded, then follow the feed', async () => {
    const env = environment();
    const model = new OverviewModel(env);
    expect(model.view.get().state).toBe('loading');
    await settle();
    env.api.lastFeed.send({ overview: overview(1_001_000, 5).now });
    const view = model.view.get();
    if (view.state !== 'ready') throw new Error(view.state);
    expect(view.feed).toBe('live');
    expect(view.data.now.totals.participants).toBe(5);
    expect(view.data.history.columns.participants).toEqual([5]);
    expect(view.data.history.columns.busyPermille).toEqual([120]);
    model.close();
    expect(env.api.lastFeed.closed).toBe(true);
  });

  it('say when they are old, come back, and fetch what they missed', async () => {
    const env = environment();
    const model = new OverviewModel(env);
    await settle();
    env.api.lastFeed.send({ overview: overview(1_001_000).now });
    env.api.lastFeed.end({ kind: 'unreachable' });
    await settle();
    expect(model.view.get()).toMatchObject({ state: 'ready', feed: 'reconnecting' });
    const asked = env.api.asked;
    await env.clock.advance(1_000);
    env.api.lastFeed.send({ overview: overview(1_010_000).now });
    await settle();
    expect(model.view.get()).toMatchObject({ feed: 'live' });
    expect(env.api.asked).toBe(asked + 1);
  });

  it('take a feed that says nothing for dead', async () => {
    const env = environment();
    const model = new OverviewModel(env);
    await settle();
    env.api.lastFeed.send({ overview: overview(1_001_000).now });
    await env.clock.advance(7_500);
    expect(model.view.get()).toMatchObject({ feed: 'reconnecting' });
    expect(env.api.feeds.length).toBeGreaterThan(1);
    expect(env.api.feeds[0]?.closed).toBe(true);
  });

  it('end the session when the token is refused', async () => {
    const env = environment();
    new OverviewModel(env);
    await settle();
    env.api.lastFeed.end({ kind: 'unauthorized' });
    await settle();
    expect(env.onUnauthorized).toHaveBeenCalledTimes(1);
    const feeds = env.api.feeds.length;
    await env.clock.advance(60_000);
    expect(env.api.feeds).toHaveLength(feeds);
  });

  it('can be tried again after a failure', async () => {
    const env = environment();
    env.api.failure = { kind: 'unreachable' };
    const model = new OverviewModel(env);
    await settle();
    expect(model.view.get()).toMatchObject({ state: 'failed' });
    env.api.failure = null;
    await model.load();
    expect(model.view.get().state).toBe('ready');
  });
});

describe('a room', () => {
  async function open() {
    const env = environment();
    const model = new RoomModel(env, 'board');
    await settle();
    const data = () => {
      const view = model.view.get();
      if (view.state !== 'ready') throw new Error(view.state);
      return view.data;
    };
    return { env, model, data };
  }

  it('keeps each person’s last minutes', async () => {
    const { env, data } = await open();
    env.api.lastFeed.send({ room: room(1_001_000, [person('Ada', { kbps: 300 }), person('Chen')]).now });
    expect(data().recent.get('ada')?.columns.sentKbps).toEqual([300]);
    expect([...data().recent.keys()]).toEqual(['ada', 'chen']);
  });

  it('shows one person’s streams, and has the feed tell of them', async () => {
    const { env, model, data } = await open();
    model.choose('ada');
    expect(data().detail).toEqual({ state: 'loading' });
    await settle();
    expect(env.api.lastFeed.topic).toEqual({ room: 'board', participant: 'ada' });
    const at = 1_002_000;
    env.api.lastFeed.send({ room: room(at, [person('Ada')]).now, participant: detail(at, 'ada', 80).now });
    const shown = data().detail;
    if (shown?.state !== 'ready') throw new Error('not shown');
    const [camera, slot] = shown.data.streams;
    expect(camera).toMatchObject({ key: 'camera/1', kind: 'source', now: { received: flow(80) } });
    expect(camera?.history?.columns.rateKbps).toEqual([80]);
    expect(slot?.history, 'it was dropped').toBeNull();
    model.choose(null);
    expect(data()).toMatchObject({ chosen: null, detail: null });
    expect(env.api.lastFeed.topic).toEqual({ room: 'board' });
  });

  it('does not mix up two people that are chosen in quick succession', async () => {
    const { model, data } = await open();
    model.choose('ada');
    model.choose('bo');
    await settle();
    expect(data().detail).toMatchObject({ state: 'ready', data: { id: 'bo' } });
  });

  it('lets a failed detail be tried again', async () => {
    const { env, model, data } = await open();
    env.api.failure = { kind: 'missing' };
    model.choose('ada');
    await settle();
    expect(data().detail).toMatchObject({ state: 'failed' });
    env.api.failure = null;
    model.retryDetail();
    await settle();
    expect(data().detail).toMatchObject({ state: 'ready' });
  });

  it('that nobody remembers is said to be missing', async () => {
    const { env, model } = await open();
    env.api.lastFeed.end({ kind: 'missing' });
    await settle();
    expect(model.view.get()).toEqual({ state: 'failed', failure: { kind: 'missing' } });
  });
});
